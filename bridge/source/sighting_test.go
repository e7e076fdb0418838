package source

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"refbridge/bridge/bridgetest"
	"refbridge/fhir"
	"refbridge/fhir/rest"
)

// Which version a Patient on a page has: a row a case.
func TestWhichPatientIsSeen(t *testing.T) {
	for _, c := range []struct {
		name, entry, want string
	}{
		{"a Patient", `{"resource":{"resourceType":"Patient","id":"p1","meta":{"versionId":"3"}}}`, "Patient/p1/_history/3"},
		{"another type", `{"resource":{"resourceType":"Observation","id":"p1"}}`, ""},
		{"an outcome", `{"search":{"mode":"outcome"},"resource":{"resourceType":"OperationOutcome"}}`, ""},
		{"one that cannot be read", `{"resource":{"resourceType":"Patient","id":"p1","x":"\ud83d"}}`, "Patient/p1"},
		{"something that cannot be read", `{"resource":{"id":"p1"}}`, ""},
	} {
		page, err := rest.ReadPage([]byte(`{"resourceType":"Bundle","type":"searchset","entry":[` + c.entry + `]}`))
		require.NoError(t, err, c.name)
		if len(page.Entries) == 0 {
			assert.Empty(t, c.want, c.name)
			continue
		}
		s, ok := patientSighting(page.Entries[0])
		assert.Equal(t, c.want != "", ok, c.name)
		if ok {
			assert.Equal(t, c.want, s.Ref.String(), c.name)
		}
	}
}

// A server that does not search by id gives what nobody asked for: nothing of it is taken.
func TestAServerThatIgnoresIdsIsNotRead(t *testing.T) {
	for _, c := range []struct {
		name, id string
		status   int
		is       error
		fails    bool
	}{
		{"it gives what was asked for", "r1", 200, nil, false},
		{"it gives something else", "r9", 200, errNotAsked, true},
		{"it refuses", "", 403, nil, true},
	} {
		far := bridgetest.Memory{}
		base := far.Serve(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/fhir+json")
			w.WriteHeader(c.status)
			_, _ = w.Write([]byte(`{"resourceType":"Bundle","type":"searchset","entry":[{},{"resource":` + bridgetest.Requested(c.id, bridgetest.ANumber, bridgetest.IsActive) + `}]}`))
		}))
		client, err := rest.New(rest.Config{BaseURL: base, Transport: far, Now: time.Now})
		require.NoError(t, err)
		refs := []fhir.Reference{{Type: "ServiceRequest", ID: "r1"}, {Type: "ServiceRequest", ID: "r2"}}
		found, err := (&FHIRServer{Client: client, Base: base, Now: time.Now}).ReadMany(t.Context(), refs)
		assert.Equal(t, c.fails, err != nil, "%s: %v", c.name, err)
		if c.is != nil {
			assert.ErrorIs(t, err, c.is, c.name)
		}
		if !c.fails {
			assert.Len(t, found, 1, c.name)
		}
	}
}

func TestABodyWithoutEntriesIsNoRecord(t *testing.T) {
	_, _, err := (&FHIRServer{}).Normalise(t.Context(), []byte(`{"resourceType":"Bundle","entry":[]}`))
	assert.ErrorIs(t, err, fhir.ErrNotResource)
	_, _, err = (&ERS{}).Normalise(t.Context(), []byte(`{`))
	assert.ErrorIs(t, err, fhir.ErrSyntax)
}
