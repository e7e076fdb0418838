package sfdc

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Several objects share their calls, five queries each: how many calls, by how many keys of each object.
func TestDoubtSpeed_SeveralObjectsShareTheirCalls(t *testing.T) {
	for _, c := range []struct {
		about string
		keys  []int // of ClinicalServiceRequest, Identifier, CodeSet
		calls int
	}{
		{"nothing", []int{0, 0, 0}, 0},
		{"one of each", []int{1, 1, 1}, 1},
		{"a full query of each", []int{200, 200, 200}, 1},
		{"one object alone", []int{0, 200, 0}, 1},
		{"five queries", []int{400, 400, 200}, 1},
		{"six queries", []int{401, 400, 200}, 2},
	} {
		var asked []string
		o := serve(t, func(w http.ResponseWriter, _ *http.Request, body []byte) {
			subs := subrequests(t, body)
			var out []map[string]any
			for _, s := range subs {
				object, _, _ := strings.Cut(s.URL[strings.Index(s.URL, "FROM+")+5:], "+")
				asked = append(asked, object)
				row := map[string]any{"Id": "0ho000000000001AAA", "Bridge_Key__c": "k-" + object, "CodeSetKey": "k-" + object, "IdValue": "k-" + object}
				out = append([]map[string]any{{"referenceId": s.ReferenceID, "httpStatusCode": 200,
					"body": map[string]any{"done": true, "totalSize": 1, "records": []any{row}}}}, out...) // their order is not promised
			}
			writeJSON(w, 200, map[string]any{"compositeResponse": out})
		})
		var all []Selection
		for i, object := range []string{"ClinicalServiceRequest", "Identifier", "CodeSet"} {
			s := Selection{Object: object, KeyField: []string{"Bridge_Key__c", "IdValue", "CodeSetKey"}[i]}
			for n := range c.keys[i] {
				s.Keys = append(s.Keys, fmt.Sprint("key", n))
			}
			all = append(all, s)
		}
		got, err := o.client().Retrieve(t.Context(), all...)
		require.NoError(t, err, c.about)
		assert.Len(t, o.seen, c.calls, c.about)
		assert.Len(t, got, len(asked), c.about)
		for i, r := range got {
			assert.Equal(t, asked[i], r.Object, "%s: each row belongs to its own query", c.about)
		}
	}
}

func TestARefusedQueryOfSeveralNamesItsObject(t *testing.T) {
	o := serve(t, func(w http.ResponseWriter, _ *http.Request, body []byte) {
		var out []map[string]any
		for i, s := range subrequests(t, body) {
			answer := map[string]any{"referenceId": s.ReferenceID, "httpStatusCode": 200, "body": map[string]any{"done": true, "totalSize": 0, "records": []any{}}}
			if i == 1 {
				answer["httpStatusCode"], answer["body"] = 400, []any{map[string]any{"errorCode": "INVALID_FIELD", "message": markName}}
			}
			out = append(out, answer)
		}
		writeJSON(w, 200, map[string]any{"compositeResponse": out})
	})
	_, err := o.client().Retrieve(t.Context(), oneKey(), Selection{Object: "CodeSet", KeyField: "CodeSetKey", Keys: []string{"x"}})
	e := isError(t, err)
	assert.Equal(t, "retrieve CodeSet", e.Call)
	assert.Equal(t, "INVALID_FIELD", e.Code)

	o = serve(t, func(w http.ResponseWriter, _ *http.Request, _ []byte) { writeText(w, 400, "no") })
	_, err = o.client().Retrieve(t.Context(), oneKey(), Selection{Object: "CodeSet", KeyField: "CodeSetKey", Keys: []string{"x"}})
	assert.Equal(t, "retrieve ClinicalServiceRequest and 1 more", isError(t, err).Call)
}

func subrequests(t *testing.T, body []byte) []subrequest {
	t.Helper()
	var in struct{ CompositeRequest []subrequest }
	require.NoError(t, json.Unmarshal(body, &in))
	return in.CompositeRequest
}
