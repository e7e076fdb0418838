package config

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestFinding_code_T9_TheProxyIsSaidInTheConfiguration(t *testing.T) {
	for line, c := range map[string]struct {
		fault, address string
		env            bool
	}{
		"":                                        {},
		"proxy: ''\n":                             {},
		"proxy: env\n":                            {env: true},
		"proxy: http://proxy.example:3128\n":      {address: "http://proxy.example:3128"},
		"proxy: https://proxy.example/\n":         {address: "https://proxy.example/"},
		"proxy: yes\n":                            {fault: "not the URL of an HTTP proxy"},
		"proxy: proxy.example:3128\n":             {fault: "not the URL of an HTTP proxy"},
		"proxy: socks5://proxy.example\n":         {fault: "not the URL of an HTTP proxy"},
		"proxy: http://me:secret@proxy.example\n": {fault: "holds a name or a password"},
		"proxy: http://proxy.example/path\n":      {fault: "more than scheme, host and port"},
		"proxy: http://proxy.example?x=y\n":       {fault: "more than scheme, host and port"},
	} {
		cfg, err := Parse("refbridge.yaml", []byte(line+good), nil)
		if c.fault != "" {
			require.ErrorContains(t, err, c.fault, line)
			assert.NotContains(t, err.Error(), "secret")
			continue
		}
		require.NoError(t, err, line)
		address, env := cfg.ThroughProxy()
		assert.Equal(t, c.env, env, line)
		if c.address == "" {
			assert.Nil(t, address, line)
			continue
		}
		assert.Equal(t, c.address, address.String())
	}
}
