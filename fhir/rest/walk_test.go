package rest

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestFinding_server_MP9_RowsThatChangedDuringASearchAreNews(t *testing.T) {
	row := func(version, updated string) string {
		return `{"resourceType":"Patient","id":"a","meta":{"versionId":"` + version + `","lastUpdated":"` + updated + `"}}`
	}
	for what, c := range map[string]struct {
		row  func(page int) string
		loop bool
	}{
		"a new version on each page":    {func(n int) string { return row(fmt.Sprint(n), "") }, false},
		"a new stamp, and no versions":  {func(n int) string { return row("", fmt.Sprintf("2026-03-20T08:00:%02dZ", n)) }, false},
		"the same version on each page": {func(int) string { return row("7", "2026-03-20T08:00:00Z") }, true},
	} {
		calls := 0
		client := open(t, func(*http.Request) (*http.Response, error) {
			calls++
			next := ""
			if calls < 9 {
				next = fmt.Sprint("?p=", calls)
			}
			return reply(200, searchPage(next, c.row(calls))), nil
		})
		ids, _, err := all(t.Context(), client, "Patient")
		if c.loop {
			assert.ErrorIs(t, err, ErrPagingLoop, what)
			assert.LessOrEqual(t, calls, 4, what)
			continue
		}
		require.NoError(t, err, what)
		assert.Len(t, ids, 9, what)
	}
}

func TestFinding_inputs_B18_WhatAServerSaysOfItsOwnPageIsGivenAsCodes(t *testing.T) {
	const body = `{"resourceType":"Bundle","type":"searchset","entry":[{"resource":{"resourceType":"Patient","id":"a"}},
		{"search":{"mode":"outcome"},"resource":{"resourceType":"OperationOutcome","issue":[
			{"severity":"warning","code":"incomplete","diagnostics":"3 results of Quillfeather left out"},
			{"severity":"information","code":"informational","details":{"coding":[{"code":"MSG_9990000018"},{"code":"PARTIAL"}]}}]}}]}`
	c := open(t, func(*http.Request) (*http.Response, error) {
		return reply(200, body, "Date", "Fri, 20 Mar 2026 08:00:00 GMT"), nil
	})
	p, err := c.Page(t.Context(), "Patient", nil)
	require.NoError(t, err)
	assert.Equal(t, []string{"incomplete", "informational", "PARTIAL"}, p.Notices)
	assert.Equal(t, "2026-03-20T08:00:00Z", p.Time.Format("2006-01-02T15:04:05Z07:00"))
	assert.False(t, p.More)
}
