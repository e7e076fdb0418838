package sfdc

import (
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"refbridge/fhir"
	"refbridge/sfdc/sobject"
)

// endless is an org whose query has as many pages as next names.
func endless(t *testing.T, total any, rows int, next func(n int) string) (*Client, *int) {
	pages := new(int)
	answer := func() map[string]any {
		*pages++
		page := map[string]any{"done": false, "records": []any{}, "nextRecordsUrl": next(*pages)}
		var records []any
		for i := range rows {
			row := wideRow()
			row["Bridge_Key__c"] = fmt.Sprintf("ers.sr.%d-%d", *pages, i)
			records = append(records, row)
		}
		if rows > 0 {
			page["records"] = records
		}
		if total != nil {
			page["totalSize"] = total
		}
		return page
	}
	o := inMemory(t, func(w http.ResponseWriter, r *http.Request, _ []byte) {
		if r.Method == http.MethodGet {
			writeJSON(w, 200, answer())
			return
		}
		writeJSON(w, 200, map[string]any{"compositeResponse": []any{subAnswer(0, 200, answer())}})
	})
	return o.client(), pages
}

func TestFinding_SEC10_PagesThatDoNotComeToAnEndEndTheRead(t *testing.T) {
	cursor := func(n int) string { return fmt.Sprintf("/services/data/v66.0/query/01g-%d", n) }
	for what, c := range map[string]struct {
		total any
		rows  int
		next  func(int) string
		pages int
	}{
		"more rows than there are":   {5, 2, cursor, 3},
		"rows of a query without":    {0, 1, cursor, 1},
		"pages without rows":         {5, 0, cursor, 11},
		"two pages in a circle":      {1000, 1, func(n int) string { return cursor(n % 2) }, 3},
		"a total that says nothing":  {nil, 0, cursor, 11},
		"a longer circle, no totals": {nil, 1, func(n int) string { return cursor(n % 5) }, 6},
	} {
		t.Run(what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client, pages := endless(t, c.total, c.rows, c.next)
				err := client.Changed(t.Context(), wide(), time.Unix(0, 0), "ers.sr.", func([]sobject.Record) error { return nil })
				assert.Equal(t, CodeUnreadable, isError(t, err).Code)
				assert.Equal(t, c.pages, *pages)
			})
		})
	}
	over := paging{seen: map[string]bool{}, rows: maxRows}
	assert.ErrorContains(t, over.take("changed", page{rows: make([]fhir.Node, 1), total: -1}), "two million")
}

func TestFinding_SEC10_code_T15_OnePageOfSalesforceIsInMemoryAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const pages, weight = 24, 4 << 20
		n := 0
		answer := func() map[string]any {
			row := wideRow()
			row["Bridge_Key__c"], row["Unasked"] = fmt.Sprint("ers.sr.", n), strings.Repeat("x", weight)
			n++
			page := map[string]any{"totalSize": pages, "done": n == pages, "records": []any{row}}
			if n < pages {
				page["nextRecordsUrl"] = fmt.Sprintf("/services/data/v66.0/query/01g-%d", n)
			}
			return page
		}
		o := inMemory(t, func(w http.ResponseWriter, r *http.Request, _ []byte) {
			if r.Method == http.MethodGet {
				writeJSON(w, 200, answer())
				return
			}
			writeJSON(w, 200, map[string]any{"compositeResponse": []any{subAnswer(0, 200, answer())}})
		})
		taken := 0
		err := o.client().Changed(t.Context(), wide(), time.Unix(0, 0), "ers.sr.", func(page []sobject.Record) error {
			assert.Equal(t, taken+1, n, "the next page is asked for when this one is done")
			taken += len(page)
			runtime.GC()
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			assert.Less(t, m.HeapAlloc, uint64(6*weight))
			return nil
		})
		require.NoError(t, err)
		require.Equal(t, pages, taken)
	})
}

func TestFinding_SEC24_WhatIsNoStatusIsNotPrinted(t *testing.T) {
	for _, status := range []int{9990000018, 99, 600, 0, -404, 999} {
		synctest.Test(t, func(t *testing.T) {
			o := inMemory(t, func(w http.ResponseWriter, _ *http.Request, _ []byte) {
				writeJSON(w, 200, map[string]any{"compositeResponse": []any{subAnswer(0, status, refused("MALFORMED_QUERY", ""))}})
			})
			_, err := o.client().Retrieve(t.Context(), oneKey())
			assert.Equal(t, CodeUnreadable, isError(t, err).Code)
			assert.Equal(t, 200, isError(t, err).Status)
			assert.Equal(t, "retrieve ClinicalServiceRequest: 200 unreadable-answer (a subrequest without an answer)", err.Error())
		})
	}
}

func TestFinding_inputs_B17_AFieldThatCannotBeFilteredIsNamedAsThat(t *testing.T) {
	for text, want := range map[string]bool{
		"field 'IdValue' can not be filtered in a query call":           true,
		"Field 'NHS__c' cannot be filtered in a query call":             true,
		"No such column 'NHS__c' on entity 'Account' " + markName:       false,
		"IdValue = '" + markNHS + "' ^ can't be filtered in this query": true,
	} {
		o := serve(t, func(w http.ResponseWriter, _ *http.Request, _ []byte) {
			writeJSON(w, 200, map[string]any{"compositeResponse": []any{subAnswer(0, 400, refused("INVALID_FIELD", text))}})
		})
		_, err := o.client().FindParents(t.Context(), Lookup{Object: "Identifier", Field: "IdValue", Parent: "ParentRecordId"}, []string{markNHS})
		assert.Equal(t, want, strings.Contains(err.Error(), "cannot be filtered"), text)
		o.noLeak(err.Error())
	}
}

func TestFinding_clients_J13_AWrongVersionOfTheAPIIsNoMissingObject(t *testing.T) {
	versions := []any{map[string]any{"version": "31.0"}, map[string]any{"version": "66.0"}, map[string]any{"version": "67.0"}}
	for version, c := range map[string]struct {
		list any
		want string
	}{
		"v99.0": {versions, "describe Account: api-version (this org does not serve v99.0, its newest is v67.0; set api_version)"},
		"v20.0": {versions, "describe Account: api-version (this org does not serve v20.0, its newest is v67.0; set api_version)"},
		"v66.0": {versions, "describe Account: 404 NOT_FOUND"},
		"v65.0": {[]any{map[string]any{"version": markNHS}}, "describe Account: api-version (this org does not serve v65.0; set api_version)"},
		"v64.0": {map[string]any{}, "describe Account: 404 NOT_FOUND"},
		"v63.0": {[]any{}, "describe Account: 404 NOT_FOUND"},
	} {
		o := serve(t, nil)
		o.serves = c.list
		_, err := o.client(func(cfg *Config) { cfg.Version = version }).Describe(t.Context(), "Account")
		assert.EqualError(t, err, c.want)
	}
}
