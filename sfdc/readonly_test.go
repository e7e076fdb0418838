package sfdc

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"refbridge/wire"
)

func TestReadOnlyLetsReadsPassWithTheBodyThatItRead(t *testing.T) {
	const get = `{"allOrNone":false,"compositeRequest":[{"method":"GET","url":"/services/data/v66.0/query?q=SELECT+Id+FROM+Account","referenceId":"q0"}]}`
	for _, c := range []struct{ method, url, body string }{
		{"GET", "https://x/services/data/v66.0/sobjects/Account/describe", ""},
		{"POST", "https://x/services/oauth2/token", "grant_type=client_credentials"},
		{"POST", "https://x/services/data/v66.0/composite", get},
		{"POST", "https://x/services/data/v66.0/composite/", get},
	} {
		var sent string
		tr := ReadOnly(roundTrip(func(r *http.Request) (*http.Response, error) {
			if r.Body != nil {
				b, _ := io.ReadAll(r.Body)
				sent = string(b)
			}
			return &http.Response{StatusCode: 200, Body: http.NoBody}, nil
		}))
		r, err := http.NewRequest(c.method, c.url, strings.NewReader(c.body))
		require.NoError(t, err)
		_, err = tr.RoundTrip(r)
		require.NoError(t, err, c.url)
		assert.Equal(t, c.body, sent)
	}
}

func TestReadOnlyRefusesEverythingThatCouldWrite(t *testing.T) {
	const composite = "https://x/services/data/v66.0/composite"
	sub := func(member string) string {
		return `{"compositeRequest":[{"method":"GET","url":"/services/data/v66.0/query?q=x","referenceId":"a"},{` + member + `}]}`
	}
	for _, c := range []struct{ method, url, body string }{
		{"PATCH", "https://x/services/data/v66.0/composite/sobjects/Account/Id", "{}"},
		{"POST", "https://x/services/data/v66.0/composite/sobjects", "{}"},
		{"POST", "https://x/services/data/v66.0/composite/graph", "{}"},
		{"POST", "https://x/services/data/v66.0/sobjects/Account", "{}"},
		{"DELETE", "https://x/services/data/v66.0/sobjects/Account/1", ""},
		{"PUT", "https://x/", ""}, {"HEAD", "https://x/", ""},
		{"GET", "https://x/services/data/v66.0/sobjects/Account/1?_HttpMethod=DELETE", ""},
		{"POST", "https://x/services/oauth2/token?_HttpMethod=PATCH", ""},
		{"POST", "https://x/services/oauth2/revoke", ""},
		{"POST", composite, ""}, {"POST", composite, "{}"}, {"POST", composite, "<html>"}, {"POST", composite, `{"compositeRequest":[]}`},
		{"POST", composite, `{"compositeRequest":{"method":"GET","url":"/x","referenceId":"a"}}`},
		{"POST", composite, sub(`"method":"DELETE","url":"/x","referenceId":"b"`)},
		{"POST", composite, sub(`"method":"GET","method":"DELETE","url":"/x","referenceId":"b"`)},
		{"POST", composite, sub(`"method":"get","url":"/x","referenceId":"b"`)},
		{"POST", composite, sub(`"url":"/x","referenceId":"b"`)},
		{"POST", composite, sub(`"method":"GET","url":"/x","referenceId":"b","body":{}`)},
		{"POST", composite, sub(`"method":"GET","url":"/x?_HttpMethod=PATCH","referenceId":"b"`)},
		{"POST", composite, sub(`"method":"GET","url":"/x","referenceId":"b","httpHeaders":{"X-HTTP-Method-Override":"DELETE"}`)},
		{"POST", composite, `{"compositeRequest":[{"method":"GET","url":"/x","referenceId":"a"}],"CompositeRequest":[]}`},
	} {
		tr := ReadOnly(roundTrip(func(*http.Request) (*http.Response, error) {
			t.Errorf("%s %s %s was sent", c.method, c.url, c.body)
			return nil, io.EOF
		}))
		r, err := http.NewRequest(c.method, c.url, strings.NewReader(c.body))
		require.NoError(t, err)
		_, err = tr.RoundTrip(r)
		assert.ErrorIs(t, err, wire.ErrReadOnly)
	}
}

func TestClientOnAReadOnlyTransportReadsAndCannotWrite(t *testing.T) {
	o := inMemory(t, noRows(t))
	c := o.client(func(cfg *Config) { cfg.Transport = ReadOnly(o) })
	_, err := c.Retrieve(t.Context(), oneKey())
	require.NoError(t, err)
	sent := len(o.seen)
	results, err := c.Upsert(t.Context(), "CodeSet", "CodeSetKey", codeSets(450), nil)
	require.NoError(t, err)
	for _, r := range results {
		e := isError(t, r.Err)
		require.Equal(t, "upsert CodeSet: read-only", e.Error())
		require.False(t, e.Ambiguous())
	}
	assert.Len(t, o.seen, sent)
}
