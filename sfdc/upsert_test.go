package sfdc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"refbridge/sfdc/sobject"
	"refbridge/wire"
)

func codeSets(n int) []sobject.Record {
	var out []sobject.Record
	for i := range n {
		out = append(out, sobject.Record{Object: "CodeSet", Key: sobject.Key{Field: "CodeSetKey", Value: fmt.Sprintf("k%d", i)},
			Fields: []sobject.Field{{Name: "Code", Value: sobject.TextValue(fmt.Sprintf("c%d", i))}}})
	}
	return out
}

// rowsOf gives the keys of the rows of an upsert body.
func rowsOf(t *testing.T, body []byte) []string {
	t.Helper()
	var in struct {
		AllOrNone *bool
		Records   []map[string]any
	}
	require.NoError(t, json.Unmarshal(body, &in))
	require.NotNil(t, in.AllOrNone)
	require.False(t, *in.AllOrNone)
	var keys []string
	for _, r := range in.Records {
		require.Equal(t, map[string]any{"type": "CodeSet"}, r["attributes"])
		keys = append(keys, r["CodeSetKey"].(string))
	}
	return keys
}

func saved() any {
	return map[string]any{"id": "0hc000000000001AAA", "success": true, "errors": []any{}, "created": true}
}

func rowRefused(code string, fields ...string) any {
	return map[string]any{"success": false, "errors": []any{map[string]any{"statusCode": code, "message": "bad value " + markName, "fields": fields}}}
}

func saveAll(t *testing.T, w http.ResponseWriter, body []byte) {
	t.Helper()
	var out []any
	for range rowsOf(t, body) {
		out = append(out, saved())
	}
	writeJSON(w, 200, out)
}

func upsert200(t *testing.T, o *org, n int) []SaveResult {
	t.Helper()
	results, err := o.client().Upsert(t.Context(), "CodeSet", "CodeSetKey", codeSets(n), nil)
	require.NoError(t, err)
	require.Len(t, results, n)
	return results
}

func TestUpsertSendsAtMostTwoHundredRowsACallAndAnswersByPosition(t *testing.T) {
	var sizes []int
	o := serve(t, func(w http.ResponseWriter, r *http.Request, body []byte) {
		assert.Equal(t, http.MethodPatch, r.Method)
		assert.Equal(t, "/services/data/v66.0/composite/sobjects/CodeSet/CodeSetKey", r.URL.Path)
		var out []any
		keys := rowsOf(t, body)
		sizes = append(sizes, len(keys))
		for _, k := range keys {
			if strings.HasSuffix(k, "7") {
				out = append(out, rowRefused("STRING_TOO_LONG", "Code"))
				continue
			}
			out = append(out, map[string]any{"id": fmt.Sprintf("0hc%015s", k), "success": true, "created": k == "k1", "errors": []any{}})
		}
		writeJSON(w, 200, out)
	})
	for i, r := range upsert200(t, o, 401) {
		if i%10 == 7 {
			e := isError(t, r.Err)
			require.Equal(t, "upsert CodeSet: 200 STRING_TOO_LONG in Code", e.Error())
			require.False(t, e.Ambiguous())
			continue
		}
		require.NoError(t, r.Err)
		require.Equal(t, fmt.Sprintf("0hc%015s", fmt.Sprintf("k%d", i)), r.ID)
		require.Equal(t, i == 1, r.Created)
	}
	assert.Equal(t, []int{200, 200, 1}, sizes)
	o.noLeak()
}

func TestRowIsWrittenWithExplicitNullsAndRelationshipsByKey(t *testing.T) {
	o := serve(t, func(w http.ResponseWriter, _ *http.Request, _ []byte) { writeJSON(w, 200, []any{saved()}) })
	at := mustTime("2026-01-31T12:00:00+01:00")
	record := sobject.Record{Object: "ClinicalServiceRequest", Key: sobject.Key{Field: "Bridge_Key__c", Value: "ers.sr.1"}, Fields: []sobject.Field{
		{Name: "Description", Value: sobject.TextValue("a \"b\"\n<&> é")},
		{Name: "Status", Value: sobject.Value{}},
		{Name: "IsPrinted__c", Value: sobject.BoolValue(false)},
		{Name: "Score__c", Value: sobject.NumberValue("1.50")},
		{Name: "OccurrenceDate", Value: sobject.DateTimeValue(at)},
		{Name: "Born__c", Value: sobject.DateValue("1940-01-01")},
		{Name: "PatientId", Value: sobject.RefValue(sobject.Target{Object: "Account", Field: "Bridge_Key__c"}, "ers.pt.abc")},
		{Name: "ReferrerId", Value: sobject.RefValue(sobject.Target{Object: "HealthcareProvider", Field: "Bridge_Key__c"}, "ers.hp.1")},
	}}
	results, err := o.client().Upsert(t.Context(), "ClinicalServiceRequest", "Bridge_Key__c", []sobject.Record{record}, nil)
	require.NoError(t, err)
	require.NoError(t, results[0].Err)
	assert.JSONEq(t, `{"allOrNone":false,"records":[{"attributes":{"type":"ClinicalServiceRequest"},"Bridge_Key__c":"ers.sr.1",
		"Description":"a \"b\"\n<&> é","Status":null,"IsPrinted__c":false,"Score__c":1.50,"OccurrenceDate":"2026-01-31T11:00:00.000Z",
		"Born__c":"1940-01-01","Patient":{"Bridge_Key__c":"ers.pt.abc"},
		"Referrer":{"attributes":{"type":"HealthcareProvider"},"Bridge_Key__c":"ers.hp.1"}}]}`, string(o.seen[0].body))
	assert.Contains(t, string(o.seen[0].body), "1.50", "the literal is kept")
}

func TestRecordThatCannotBeSentHasItsOwnErrorAndItsNeighboursAreSaved(t *testing.T) {
	account := sobject.Target{Object: "Account", Field: "Bridge_Key__c"}
	field := func(name string, v sobject.Value) []sobject.Field { return []sobject.Field{{Name: name, Value: v}} }
	bad := map[string]struct {
		fields []sobject.Field
		code   string
	}{
		"lookup nobody resolved":   {field("PatientId", sobject.LookupValue(sobject.Target{Object: "Account", Field: "nhsNumber"}, markNHS)), CodeValue},
		"text in a number":         {field("Score__c", sobject.TextValue(markName)), CodeValue},
		"number that is no number": {field("Score__c", sobject.NumberValue(markName)), CodeValue},
		"text in a checkbox":       {field("IsPrinted__c", sobject.TextValue(markName)), CodeValue},
		"no day":                   {field("Born__c", sobject.DateValue(markName)), CodeValue},
		"day in an instant":        {field("OccurrenceDate", sobject.DateValue("2026-01-31")), CodeValue},
		"text for an id":           {field("PatientId", sobject.TextValue(markName)), CodeValue},
		"wrong target":             {field("PatientId", sobject.RefValue(sobject.Target{Object: "Case", Field: "K__c"}, markName)), CodeValue},
		"ref in a text":            {field("Description", sobject.RefValue(account, markName)), CodeValue},
		"broken UTF-8":             {field("Description", sobject.TextValue(markName+"\xff")), CodeValue},
		"the same field twice":     {append(field("Status", sobject.TextValue("a")), field("Status", sobject.TextValue("b"))...), CodeValue},
		"field without FLS":        {field("StatusReason", sobject.TextValue(markName)), CodeField},
	}
	names := slices.Sorted(func(yield func(string) bool) {
		for name := range bad {
			if !yield(name) {
				return
			}
		}
	})
	var records []sobject.Record
	for i, name := range append(names, "good") {
		records = append(records, sobject.Record{Object: "ClinicalServiceRequest", Fields: bad[name].fields,
			Key: sobject.Key{Field: "Bridge_Key__c", Value: fmt.Sprintf("ers.sr.%d", i)}})
	}
	key := sobject.Key{Field: "Bridge_Key__c"}
	records = append(records, sobject.Record{Object: "ClinicalServiceRequest", Key: key},
		sobject.Record{Object: "Account", Key: sobject.Key{Field: "Bridge_Key__c", Value: "x"}},
		sobject.Record{Object: "ClinicalServiceRequest", Key: sobject.Key{Field: "Other__c", Value: "y"}})
	o := serve(t, func(w http.ResponseWriter, _ *http.Request, _ []byte) { writeJSON(w, 200, []any{saved()}) })
	results, err := o.client().Upsert(t.Context(), "ClinicalServiceRequest", "Bridge_Key__c", records, nil)
	require.NoError(t, err)
	for i, name := range names {
		e := isError(t, results[i].Err)
		assert.Equal(t, bad[name].code, e.Code, name)
		assert.Equal(t, []string{bad[name].fields[0].Name}, e.Fields, name)
		assert.Equal(t, Data, e.Class())
		assert.False(t, e.Ambiguous())
		o.noLeak(e.Error())
	}
	assert.NoError(t, results[len(names)].Err)
	for _, r := range results[len(names)+1:] {
		assert.Equal(t, CodeKey, isError(t, r.Err).Code)
	}
	assert.Len(t, o.seen, 1)
}

func TestSameKeyTwiceIsAnErrorOfBothAndNotASilentLoss(t *testing.T) {
	o := serve(t, func(w http.ResponseWriter, _ *http.Request, body []byte) { saveAll(t, w, body) })
	records := codeSets(3)
	records[2].Key.Value = "K0" // CodeSetKey is compared without case
	results, err := o.client().Upsert(t.Context(), "CodeSet", "CodeSetKey", records, nil)
	require.NoError(t, err)
	assert.Equal(t, CodeKeyTwice, isError(t, results[0].Err).Code)
	assert.NoError(t, results[1].Err)
	assert.Equal(t, CodeKeyTwice, isError(t, results[2].Err).Code)
	assert.Equal(t, []string{"k1"}, rowsOf(t, o.seen[0].body))

	o = serve(t, func(w http.ResponseWriter, _ *http.Request, _ []byte) { writeJSON(w, 200, []any{saved(), saved()}) })
	request := func(key string) sobject.Record {
		return sobject.Record{Object: "ClinicalServiceRequest", Key: sobject.Key{Field: "Bridge_Key__c", Value: key}}
	}
	results, err = o.client().Upsert(t.Context(), "ClinicalServiceRequest", "Bridge_Key__c", []sobject.Record{request("a"), request("A")}, nil)
	require.NoError(t, err)
	assert.NoError(t, errors.Join(results[0].Err, results[1].Err), "Bridge_Key__c is case-sensitive")
}

func TestEverySubsetOfFailedRowsKeepsItsPlaces(t *testing.T) {
	var subset int
	o := serve(t, func(w http.ResponseWriter, _ *http.Request, _ []byte) {
		var out []any
		for i := range 8 {
			if subset&(1<<i) != 0 {
				out = append(out, rowRefused("FIELD_CUSTOM_VALIDATION_EXCEPTION"))
				continue
			}
			out = append(out, saved())
		}
		writeJSON(w, 200, out)
	})
	c := o.client()
	for subset = range 256 {
		results, err := c.Upsert(t.Context(), "CodeSet", "CodeSetKey", codeSets(8), nil)
		require.NoError(t, err)
		for i, r := range results {
			require.Equal(t, subset&(1<<i) != 0, r.Err != nil, "subset %b, row %d", subset, i)
		}
	}
}

func TestOnlyLockedRowsAreSentAgainAndThreeTimesAtMost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := inMemory(t, nil)
		var rounds [][]string
		o.answer = func(w http.ResponseWriter, _ *http.Request, body []byte) {
			keys := rowsOf(t, body)
			rounds = append(rounds, keys)
			var out []any
			for _, k := range keys {
				switch {
				case k == "k1", k == "k3" && len(rounds) < 2:
					out = append(out, rowRefused("UNABLE_TO_LOCK_ROW"))
				case k == "k2":
					out = append(out, rowRefused("REQUIRED_FIELD_MISSING", "Name"))
				default:
					out = append(out, saved())
				}
			}
			writeJSON(w, 200, out)
		}
		began := time.Now()
		results := upsert200(t, o, 5)
		assert.Equal(t, [][]string{{"k0", "k1", "k2", "k3", "k4"}, {"k1", "k3"}, {"k1"}}, rounds)
		assert.NoError(t, errors.Join(results[0].Err, results[3].Err, results[4].Err))
		assert.Equal(t, "UNABLE_TO_LOCK_ROW", isError(t, results[1].Err).Code)
		assert.False(t, isError(t, results[1].Err).Ambiguous())
		assert.Equal(t, "REQUIRED_FIELD_MISSING", isError(t, results[2].Err).Code)
		assert.GreaterOrEqual(t, time.Since(began), time.Second)
		assert.LessOrEqual(t, time.Since(began), 8*time.Second)
	})
}

func TestOutcomeThatNobodyKnowsIsAmbiguousForEveryRow(t *testing.T) {
	for name, fault := range map[string]func(w http.ResponseWriter) error{
		"network":      func(http.ResponseWriter) error { return errors.New("connection reset " + markName) },
		"empty 500":    func(w http.ResponseWriter) error { w.WriteHeader(500); return nil },
		"503 page":     func(w http.ResponseWriter) error { writeText(w, 503, "<html>"+markName); return nil },
		"200 page":     func(w http.ResponseWriter) error { writeText(w, 200, "<html>"+markName); return nil },
		"half a body":  func(w http.ResponseWriter) error { writeText(w, 200, `[{"id":"0hc`); return nil },
		"object":       func(w http.ResponseWriter) error { writeText(w, 200, `{"hasErrors":true}`); return nil },
		"too few":      func(w http.ResponseWriter) error { writeJSON(w, 200, []any{saved()}); return nil },
		"too many":     func(w http.ResponseWriter) error { writeJSON(w, 200, []any{saved(), saved(), saved()}); return nil },
		"strange rows": func(w http.ResponseWriter) error { writeText(w, 200, `[{"success":"yes"},null]`); return nil },
		"no id": func(w http.ResponseWriter) error {
			writeText(w, 200, `[{"success":true},{"success":true,"id":""}]`)
			return nil
		},
		"no content": func(w http.ResponseWriter) error { w.WriteHeader(204); return nil },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := inMemory(t, func(w http.ResponseWriter, _ *http.Request, body []byte) { saveAll(t, w, body) })
				tries, broken := 0, true
				c := o.client(func(cfg *Config) { cfg.Transport = faulty(o, &tries, &broken, fault) })
				results, err := c.Upsert(t.Context(), "CodeSet", "CodeSetKey", codeSets(2), nil)
				require.NoError(t, err)
				for _, r := range results {
					e := isError(t, r.Err)
					assert.True(t, e.Ambiguous())
					assert.Empty(t, r.ID)
					o.noLeak(e.Error())
				}
				assert.Equal(t, 3, tries, "a keyed upsert may be repeated")
			})
		})
	}
}

func TestRowInDoubtIsSettledBySuccessAndStaysInDoubtOtherwise(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := inMemory(t, nil)
		o.answer = func(w http.ResponseWriter, _ *http.Request, body []byte) {
			if len(o.seen) == 1 {
				w.WriteHeader(502)
				return
			}
			writeJSON(w, 200, []any{saved(), rowRefused("STRING_TOO_LONG", "Code")})
		}
		results := upsert200(t, o, 2)
		assert.NoError(t, results[0].Err)
		e := isError(t, results[1].Err)
		assert.Equal(t, "STRING_TOO_LONG", e.Code)
		assert.True(t, e.Ambiguous(), "the first attempt may yet be committed")
	})
}

func TestRefusalOfTheWholeCallIsTheErrorOfEveryRowAndEndsTheRun(t *testing.T) {
	for _, c := range []struct {
		status int
		code   string
		class  Class
	}{{403, "REQUEST_LIMIT_EXCEEDED", Limit}, {401, "INVALID_LOGIN", Auth}, {404, "NOT_FOUND", Permission}, {429, "", Limit}} {
		o := serve(t, func(w http.ResponseWriter, _ *http.Request, _ []byte) {
			writeJSON(w, c.status, refused(c.code, markName))
		})
		for _, r := range upsert200(t, o, 450) {
			e := isError(t, r.Err)
			require.Equal(t, c.class, e.Class())
			require.False(t, e.Ambiguous())
			o.noLeak(e.Error())
		}
		assert.Len(t, o.seen, 1, "%s: no storm of calls", c.code)
	}
}

func TestOneRowThatTheOrgCannotReadDoesNotStopItsNeighbours(t *testing.T) {
	o := serve(t, func(w http.ResponseWriter, _ *http.Request, body []byte) {
		if slices.Contains(rowsOf(t, body), "k77") {
			writeJSON(w, 400, refused("JSON_PARSER_ERROR", markName))
			return
		}
		saveAll(t, w, body)
	})
	for i, r := range upsert200(t, o, 200) {
		require.Equal(t, i == 77, r.Err != nil, "row %d: %v", i, r.Err)
	}
	assert.LessOrEqual(t, len(o.seen), 1+splitsPerUp)
}

func TestIsolatingBadRowsHasAnEnd(t *testing.T) {
	o := serve(t, func(w http.ResponseWriter, _ *http.Request, _ []byte) {
		writeJSON(w, 400, refused("JSON_PARSER_ERROR", markName))
	})
	for _, r := range upsert200(t, o, 200) {
		require.Equal(t, "JSON_PARSER_ERROR", isError(t, r.Err).Code)
	}
	assert.Equal(t, 1+splitsPerUp, len(o.seen))
}

func TestSignInThatFailsLeavesNoRowInDoubt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := inMemory(t, func(w http.ResponseWriter, _ *http.Request, _ []byte) {
			writeJSON(w, 401, refused("INVALID_SESSION_ID", "Session expired or invalid"))
		})
		c := o.client()
		_, err := c.Describe(t.Context(), "CodeSet")
		require.NoError(t, err)
		o.token = func(w http.ResponseWriter, _ *http.Request, _ url.Values) { w.WriteHeader(500) }
		results, err := c.Upsert(t.Context(), "CodeSet", "CodeSetKey", codeSets(1), nil)
		require.NoError(t, err)
		e := isError(t, results[0].Err)
		assert.Equal(t, callToken, e.Call)
		assert.False(t, e.Ambiguous())
		assert.Equal(t, 1+wire.Attempts, o.tokens, "the accepted one and each attempt: a 500 brings no lock-out nearer (C12)")
	})
}

func TestContextThatEndsGivesWhatWasSavedAndWhatIsInDoubt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := inMemory(t, func(w http.ResponseWriter, _ *http.Request, body []byte) { saveAll(t, w, body) })
		ctx, cancel := context.WithCancel(t.Context())
		upserts := 0
		c := o.client(func(cfg *Config) {
			cfg.Transport = roundTrip(func(r *http.Request) (*http.Response, error) {
				if r.Method == http.MethodPatch {
					if upserts++; upserts == 2 {
						cancel()
						<-r.Context().Done()
						return nil, r.Context().Err()
					}
				}
				return o.RoundTrip(r)
			})
		})
		results, err := c.Upsert(ctx, "CodeSet", "CodeSetKey", codeSets(600), nil)
		require.ErrorIs(t, err, context.Canceled)
		require.Len(t, results, 600)
		for i, r := range results {
			switch {
			case i < 200:
				require.NoError(t, r.Err)
			case i < 400:
				require.True(t, isError(t, r.Err).Ambiguous())
			default:
				require.Equal(t, CodeNotSent, isError(t, r.Err).Code)
				require.False(t, isError(t, r.Err).Ambiguous())
			}
		}
	})
}

func TestNameThatIsNoIdentifierIsTheCallersFault(t *testing.T) {
	o := serve(t, nil)
	_, err := o.client().Upsert(t.Context(), "CodeSet/x", "CodeSetKey", codeSets(1), nil)
	require.ErrorIs(t, err, errIdentifier)
	_, err = o.client().Describe(t.Context(), "Patient.Name")
	require.ErrorIs(t, err, errIdentifier)
	assert.Zero(t, o.tokens)
}

func TestObjectThatTheOrgDoesNotHaveIsTheErrorOfEveryRow(t *testing.T) {
	o := serve(t, nil)
	results, err := o.client().Upsert(t.Context(), "Nothing__c", "K__c", codeSets(2), nil)
	require.NoError(t, err)
	for _, r := range results {
		assert.Equal(t, "describe Nothing__c: 404 NOT_FOUND", r.Err.Error())
	}
}
