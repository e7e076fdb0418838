package config

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestAFHIRServerThatSaysWhereItGivesTokensIsCheckedToo(t *testing.T) {
	const keys = "    client_id: x\n    key_id: k\n    private_key: env:KEY\n"
	for name, c := range map[string]struct{ lines, want string }{
		"no token_url":                {keys, ""},
		"a host":                      {keys + "    token_host: login.example.org:8443\n", ""},
		"a host that is a URL":        {keys + "    token_host: https://login.example.org\n", "not a host"},
		"a host beside a token_url":   {keys + "    token_host: login.example.org\n    token_url: https://login.example.org/t\n", "exclude each other"},
		"a token_url without client":  {"    token_url: https://login.example.org/t\n", "token_url and client_id go together"},
		"a client without a key":      {"    client_id: x\n", "client_id, key_id and private_key go together"},
		"a poll that lasts for never": {"    max_poll: 0s\n", "max_poll is not a duration"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Parse("refbridge.yaml", []byte(strings.Replace(good, "    patient: create\n", "    patient: create\n"+c.lines, 1)), nil)
			if c.want == "" {
				require.NoError(t, err)
				return
			}
			require.Error(t, err)
			assert.ErrorContains(t, err, c.want)
		})
	}
}
