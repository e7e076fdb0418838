package config

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// parseWard parses the good file with further lines for its FHIR server.
func parseWard(lines ...string) (Source, error) {
	c, err := Parse("refbridge.yaml", []byte(good+"    "+strings.Join(lines, "\n    ")+"\n"), nil)
	if err != nil {
		return Source{}, err
	}
	return c.Sources[1], nil
}

func TestAFHIRServerHasDefaultsOfItsOwn(t *testing.T) {
	s, err := parseWard()
	require.NoError(t, err)
	assert.Zero(t, s.Rate, "no limit of ours")
	assert.Equal(t, 100, s.PageSize)
	assert.Equal(t, "v1", s.ScopeVersion)
	assert.Empty(t, s.Scope, "what is switched on needs")
	assert.Equal(t, 15*time.Minute, s.LongestWait())
}

func TestFinding_server_MP7_AFHIRServerTakesARateAPageSizeAndAScope(t *testing.T) {
	s, err := parseWard("rate: 0.5", "page_size: 20", "scope_version: v2", "max_wait: 2m", "public_base_url: https://fhir.trust.example/R4")
	require.NoError(t, err)
	assert.InDelta(t, 0.5, s.Rate, 0)
	assert.Equal(t, 20, s.PageSize)
	assert.Equal(t, "v2", s.ScopeVersion)
	assert.Equal(t, 2*time.Minute, s.LongestWait())
	assert.Equal(t, "https://fhir.trust.example/R4", s.PublicURL)
	s, err = parseWard("scope: system/*.rs system/ServiceRequest.u")
	require.NoError(t, err)
	assert.Equal(t, "system/*.rs system/ServiceRequest.u", s.Scope)
}

func TestWhatAFHIRServerCannotTakeIsAFault(t *testing.T) {
	for line, want := range map[string]string{
		"rate: 0":                         "rate",
		"rate: -1":                        "not a rate",
		"rate: 101":                       "not a rate",
		"page_size: 0":                    "1 to 1000",
		"page_size: 1001":                 "1 to 1000",
		"page_size: 2.5":                  "whole number",
		"page_size: many":                 "whole number",
		"scope_version: v3":               "one of v1, v2",
		"scope: \"a  b\"":                 "not a list of scopes",
		"scope: \"a\\nb\"":                "not a list of scopes",
		"max_wait: soon":                  "not a duration",
		"max_wait: -1m":                   "not a duration",
		"public_base_url: http://a.test/": "not https",
		"public_base_url: R4":             "not a URL",
		"services: [1]":                   "says nothing for a source of kind fhir",
	} {
		_, err := parseWard(line)
		assert.ErrorContains(t, err, want, line)
	}
	_, err := parseWard("scope: a", "scope_version: v1")
	assert.ErrorContains(t, err, "exclude each other")
	for _, key := range []string{"scope: a", "scope_version: v1", "page_size: 5", "max_wait: 1m", "public_base_url: https://a.example", "from: 2026-01-31"} {
		text := strings.Replace(good, "    key_id: k1\n", "    key_id: k1\n    "+key+"\n", 1)
		_, err := Parse("refbridge.yaml", []byte(text), nil)
		assert.ErrorContains(t, err, "says nothing for a source of kind ers", key)
	}
}

func rsaKey(t *testing.T) *rsa.PrivateKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	return key
}

func pemOf(t *testing.T, key any) []byte {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

func TestFinding_clients_J4_KeysOfBothKindsThatSMARTNamesAreRead(t *testing.T) {
	r, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	e, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	require.NoError(t, err)
	small, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	block := func(kind string, der []byte, err error) string {
		require.NoError(t, err)
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	pkcs8 := func(key any) string {
		der, err := x509.MarshalPKCS8PrivateKey(key)
		return block("PRIVATE KEY", der, err)
	}
	sec1, err := x509.MarshalECPrivateKey(e)
	for i, c := range []struct {
		text string
		want any
		err  string
	}{
		{block("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(r), nil), r, ""},
		{pkcs8(r), r, ""},
		{pkcs8(e), e, ""},
		{block("EC PRIVATE KEY", sec1, err), e, ""},
		{block("EC PARAMETERS", []byte{6, 5, 43, 129, 4, 0, 34}, nil) + block("EC PRIVATE KEY", sec1, err), e, ""},
		{pkcs8(small), nil, "the curve is not P-384"},
		{"no key", nil, "no RSA private key, and none of ECDSA"},
		{block("CERTIFICATE", []byte{1}, nil), nil, "no RSA private key, and none of ECDSA"},
		{block("PRIVATE KEY", []byte{1}, nil), nil, "no RSA private key, and none of ECDSA"},
	} {
		name := fmt.Sprintf("REFBRIDGE_TEST_KEY_%d", i)
		t.Setenv(name, c.text)
		key, err := Secret("env:" + name).Signer()
		if c.err != "" {
			assert.ErrorContains(t, err, c.err)
			assert.Nil(t, key)
			continue
		}
		if assert.NoError(t, err) {
			assert.True(t, c.want.(interface{ Equal(crypto.PrivateKey) bool }).Equal(key), "%d", i)
		}
	}
	none, err := Secret("").Signer()
	assert.NoError(t, err)
	assert.Nil(t, none)
}
