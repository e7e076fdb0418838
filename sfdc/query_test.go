package sfdc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"refbridge/sfdc/sobject"
)

func wide() Selection {
	return Selection{
		Object: "ClinicalServiceRequest", KeyField: "Bridge_Key__c", Keys: []string{"ers.sr.000000070001"},
		Fields: []string{"Status", "IsPrinted__c", "Score__c", "OccurrenceDate", "Born__c", "PatientId", "ReferrerId", "Description"},
		Refs: map[string]sobject.Target{"PatientId": {Object: "Account", Field: "Bridge_Key__c"},
			"ReferrerId": {Object: "HealthcareProvider", Field: "Bridge_Key__c"}},
	}
}

func wideRow() map[string]any {
	return map[string]any{
		"attributes": map[string]any{"type": "ClinicalServiceRequest", "url": "/services/data/v66.0/sobjects/x"},
		"Id":         "0ho000000000001AAA", "Bridge_Key__c": "ers.sr.000000070001", "SystemModstamp": "2026-01-31T12:00:00.120+0000",
		"Status": "Active", "IsPrinted__c": true, "Score__c": jsonNumber("1.50"), "OccurrenceDate": "2026-01-31T12:00:00.000+0000",
		"Born__c": "1940-01-01", "PatientId": "001000000000001AAA", "Patient": map[string]any{"Bridge_Key__c": "ers.pt.abc"},
		"ReferrerId": "0cm000000000001AAA", "Description": nil,
	}
}

type jsonNumber string

func (n jsonNumber) MarshalJSON() ([]byte, error) { return []byte(n), nil }

func TestRecordIsReadWithTheTypesOfDescribe(t *testing.T) {
	var soql []string
	o := serve(t, func(w http.ResponseWriter, _ *http.Request, body []byte) {
		soql = queries(t, body)
		writeRows(t, w, body, wideRow())
	})
	records, err := o.client().Retrieve(t.Context(), wide())
	require.NoError(t, err)
	require.Len(t, records, 1)
	assert.Equal(t, []string{"SELECT Id, Bridge_Key__c, SystemModstamp, Status, IsPrinted__c, Score__c, OccurrenceDate, Born__c, " +
		"PatientId, Patient.Bridge_Key__c, ReferrerId, Description FROM ClinicalServiceRequest " +
		"WHERE Bridge_Key__c IN ('ers.sr.000000070001')"}, soql)
	at := mustTime("2026-01-31T12:00:00Z")
	want := sobject.Record{Object: "ClinicalServiceRequest", Key: sobject.Key{Field: "Bridge_Key__c", Value: "ers.sr.000000070001"},
		ID: "0ho000000000001AAA", Theirs: true, Modified: records[0].Modified, Fields: []sobject.Field{
			{Name: "Status", Value: sobject.TextValue("Active")},
			{Name: "IsPrinted__c", Value: sobject.BoolValue(true)},
			{Name: "Score__c", Value: sobject.NumberValue("1.50")},
			{Name: "OccurrenceDate", Value: sobject.DateTimeValue(at)},
			{Name: "Born__c", Value: sobject.DateValue("1940-01-01")},
			{Name: "PatientId", Value: sobject.RefValue(sobject.Target{Object: "Account", Field: "Bridge_Key__c"}, "ers.pt.abc")},
			{Name: "ReferrerId", Value: sobject.TextValue("0cm000000000001AAA")}, // polymorphic
			{Name: "Description", Value: sobject.Value{}},
		}}
	assert.Equal(t, want, records[0])
	assert.True(t, records[0].Modified.Equal(at.Add(120*time.Millisecond)))
}

func TestReferenceToARecordWithoutOurKeyIsReadAsItsId(t *testing.T) {
	for _, patient := range []any{nil, map[string]any{"Bridge_Key__c": nil}} {
		row := wideRow()
		row["Patient"] = patient
		o := serve(t, func(w http.ResponseWriter, _ *http.Request, body []byte) { writeRows(t, w, body, row) })
		records, err := o.client().Retrieve(t.Context(), wide())
		require.NoError(t, err)
		v, _ := records[0].Get("PatientId")
		assert.Equal(t, sobject.TextValue("001000000000001AAA"), v)
	}
}

func TestValueThatContradictsDescribeNamesTheFieldAndNotTheValue(t *testing.T) {
	for field, value := range map[string]any{"IsPrinted__c": markName, "Score__c": markName, "OccurrenceDate": markName,
		"Born__c": markName, "Status": map[string]any{"a": markName}, "SystemModstamp": markName} {
		row := wideRow()
		row[field] = value
		o := serve(t, func(w http.ResponseWriter, _ *http.Request, body []byte) { writeRows(t, w, body, row) })
		_, err := o.client().Retrieve(t.Context(), wide())
		e := isError(t, err)
		assert.Equal(t, CodeValue, e.Code)
		assert.Equal(t, []string{field}, e.Fields)
		o.noLeak(err.Error())
	}
}

func TestFieldsThatTheUserMayNotSeeAreAllNamedBeforeAnythingIsAsked(t *testing.T) {
	o := serve(t, noRows(t))
	s := oneKey()
	s.Fields = []string{"Status", "StatusReason", "CaseId"}
	_, err := o.client().Retrieve(t.Context(), s)
	e := isError(t, err)
	assert.Equal(t, CodeField, e.Code)
	assert.Equal(t, []string{"StatusReason", "CaseId"}, e.Fields)
	assert.Equal(t, "retrieve ClinicalServiceRequest: field-not-visible (object ClinicalServiceRequest) in StatusReason, CaseId", e.Error())
	assert.Equal(t, Data, e.Class())
	assert.Empty(t, o.seen)
}

func TestFieldThatIsGrantedLaterIsSeenWithinMinutes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := inMemory(t, noRows(t))
		granted, describes := false, 0
		transport := roundTrip(func(r *http.Request) (*http.Response, error) {
			if !strings.HasSuffix(r.URL.Path, "/describe") {
				return o.RoundTrip(r)
			}
			describes++
			d := `{"name":"X__c","fields":[{"name":"Id","type":"id"},{"name":"K__c","type":"string"}`
			if granted {
				d += `,{"name":"New__c","type":"string"}`
			}
			return &http.Response{StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(d + `]}`))}, nil
		})
		c := o.client(func(cfg *Config) { cfg.Transport = transport })
		s := Selection{Object: "X__c", KeyField: "K__c", Keys: []string{"a"}, Fields: []string{"New__c"}}
		_, err := c.Retrieve(t.Context(), s)
		require.Equal(t, CodeField, isError(t, err).Code)
		granted = true
		_, err = c.Retrieve(t.Context(), s)
		require.Equal(t, CodeField, isError(t, err).Code, "asked again at once")
		time.Sleep(6 * time.Minute)
		_, err = c.Retrieve(t.Context(), s)
		require.NoError(t, err)
		assert.Equal(t, 2, describes)
		time.Sleep(23 * time.Hour)
		_, err = c.Retrieve(t.Context(), s)
		require.NoError(t, err)
		assert.Equal(t, 2, describes)
		time.Sleep(2 * time.Hour)
		_, err = c.Retrieve(t.Context(), s)
		require.NoError(t, err)
		assert.Equal(t, 3, describes, "nothing is decided under a describe older than a day")
	})
}

func TestManyKeysAreAskedForInPortionsOfFiveQueries(t *testing.T) {
	var sizes []int
	seenKeys := map[string]int{}
	o := serve(t, func(w http.ResponseWriter, _ *http.Request, body []byte) {
		qs := queries(t, body)
		sizes = append(sizes, len(qs))
		for _, q := range qs {
			_, list, _ := strings.Cut(q, " IN (")
			keys := strings.Split(strings.TrimSuffix(list, ")"), ", ")
			assert.LessOrEqual(t, len(keys), 200)
			assert.LessOrEqual(t, len(url.QueryEscape(q)), 16_000)
			for _, k := range keys {
				seenKeys[k]++
			}
		}
		writeRows(t, w, body)
	})
	s := oneKey()
	s.Keys = nil
	for i := range 1250 {
		s.Keys = append(s.Keys, fmt.Sprintf("ers.sr.%012d", i))
	}
	s.Keys = append(s.Keys, s.Keys[:10]...)
	_, err := o.client().Retrieve(t.Context(), s)
	require.NoError(t, err)
	assert.Equal(t, []int{5, 2}, sizes)
	assert.Len(t, seenKeys, 1250)
	for k, n := range seenKeys {
		require.Equal(t, 1, n, k)
	}
}

func TestLongKeysMakeSmallerQueries(t *testing.T) {
	var keys []string
	for i := range 200 {
		keys = append(keys, fmt.Sprintf("%0250d", i))
	}
	total := 0
	for chunk := range keyChunks(keys) {
		assert.LessOrEqual(t, len(url.QueryEscape("'"+strings.Join(chunk, "', '")+"'")), bytesPerQuery)
		total += len(chunk)
	}
	assert.Equal(t, 200, total)
}

func TestAllPagesAreReadAndOnlyFromTheQueryResource(t *testing.T) {
	page := func(n, last int) map[string]any {
		row := wideRow()
		row["Bridge_Key__c"] = fmt.Sprintf("ers.sr.%d", n)
		p := map[string]any{"totalSize": 3, "done": n == last, "records": []any{row}}
		if n < last {
			p["nextRecordsUrl"] = fmt.Sprintf("/services/data/v66.0/query/01gD0000002HU6K-%d", n+1)
		}
		return p
	}
	o := serve(t, func(w http.ResponseWriter, r *http.Request, _ []byte) {
		n := 0
		if r.Method == http.MethodGet {
			_, err := fmt.Sscanf(r.URL.Path, "/services/data/v66.0/query/01gD0000002HU6K-%d", &n)
			assert.NoError(t, err)
			writeJSON(w, 200, page(n, 2))
			return
		}
		writeJSON(w, 200, map[string]any{"compositeResponse": []any{subAnswer(0, 200, page(0, 2))}})
	})
	var keys []string
	take := func(page []sobject.Record) error {
		for _, r := range page {
			keys = append(keys, r.Key.Value)
		}
		return nil
	}
	require.NoError(t, o.client().Changed(t.Context(), wide(), mustTime("2026-01-31T11:55:00Z"), "ers.sr.", take))
	// An error of whoever takes them ends it, and is his.
	enough := errors.New("enough")
	seen := len(o.seen)
	assert.Equal(t, enough, o.client().Changed(t.Context(), wide(), mustTime("2026-01-31T11:55:00Z"), "ers.sr.", func([]sobject.Record) error { return enough }))
	assert.Len(t, o.seen, seen+1, "no page is asked for after it")
	assert.Equal(t, []string{"ers.sr.0", "ers.sr.1", "ers.sr.2"}, keys)
	assert.Contains(t, queries(t, o.seen[0].body)[0], " WHERE SystemModstamp >= 2026-01-31T11:55:00.000Z AND Bridge_Key__c LIKE 'ers.sr.%'"+
		" ORDER BY SystemModstamp, Id")
}

func TestAddressOfTheNextPageIsNotFollowedAnywhereElse(t *testing.T) {
	for _, next := range []string{"", "https://evil.example/query/1", "//evil.example/services/data/v66.0/query/1",
		"/services/data/v66.0/sobjects/Account/1", "/services/data/v66.0/query/../sobjects", "/services/data/v66.0/query/1?q=" + markNHS} {
		synctest.Test(t, func(t *testing.T) {
			o := inMemory(t, func(w http.ResponseWriter, _ *http.Request, _ []byte) {
				writeJSON(w, 200, map[string]any{"compositeResponse": []any{subAnswer(0, 200,
					map[string]any{"done": false, "records": []any{}, "nextRecordsUrl": next})}})
			})
			_, err := o.client().Retrieve(t.Context(), oneKey())
			assert.Equal(t, CodeUnreadable, isError(t, err).Code, next)
			for _, s := range o.seen {
				assert.Equal(t, http.MethodPost, s.method)
			}
		})
	}
}

func TestPageThatNamesItselfAsTheNextOneEndsTheRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		loop := map[string]any{"done": false, "records": []any{}, "nextRecordsUrl": "/services/data/v66.0/query/01g-1"}
		o := inMemory(t, func(w http.ResponseWriter, r *http.Request, _ []byte) {
			if r.Method == http.MethodGet {
				writeJSON(w, 200, loop)
				return
			}
			writeJSON(w, 200, map[string]any{"compositeResponse": []any{subAnswer(0, 200, loop)}})
		})
		_, err := o.client().Retrieve(t.Context(), oneKey())
		assert.Equal(t, CodeUnreadable, isError(t, err).Code)
		assert.Len(t, o.seen, 4)
	})
}

func TestPatientsAreFoundByNHSNumberInBodiesOnly(t *testing.T) {
	rows := []any{
		map[string]any{"IdValue": markNHS, "ParentRecordId": "001000000000002AAA"},
		map[string]any{"IdValue": markNHS, "ParentRecordId": "001000000000001AAA"},
		map[string]any{"IdValue": markNHS, "ParentRecordId": "001000000000001AAA"},
		map[string]any{"IdValue": markNHS2, "ParentRecordId": nil},
	}
	o := serve(t, func(w http.ResponseWriter, _ *http.Request, body []byte) { writeRows(t, w, body, rows...) })
	lookup := Lookup{Object: "Identifier", Field: "IdValue", Parent: "ParentRecordId",
		Where: map[string]string{"SourceSystem": "https://fhir.nhs.uk/Id/nhs-number"}}
	got, err := o.client().FindParents(t.Context(), lookup, []string{markNHS, markNHS2})
	require.NoError(t, err)
	assert.Equal(t, map[string][]string{markNHS: {"001000000000001AAA", "001000000000002AAA"}}, got)
	assert.Equal(t, []string{"SELECT IdValue, ParentRecordId FROM Identifier WHERE IdValue IN ('" + markNHS + "', '" + markNHS2 +
		"') AND SourceSystem = 'https://fhir.nhs.uk/Id/nhs-number'"}, queries(t, o.seen[0].body))
	o.noLeak()
}

func TestRefusedQueryPrintsNoKeyHoweverTheOrgEchoesIt(t *testing.T) {
	echo := "... WHERE IdValue IN ('" + markNHS + "') ^ ERROR at Row:1:Column:99 " + markName
	for _, status := range []int{400, 403, 404} {
		o := serve(t, func(w http.ResponseWriter, _ *http.Request, _ []byte) {
			writeJSON(w, 200, map[string]any{"compositeResponse": []any{subAnswer(0, status, refused("MALFORMED_QUERY", echo))}})
		})
		_, err := o.client().FindParents(t.Context(), Lookup{Object: "Identifier", Field: "IdValue", Parent: "ParentRecordId"}, []string{markNHS})
		assert.Equal(t, fmt.Sprintf("find ParentRecordId of Identifier: %d MALFORMED_QUERY", status), err.Error())
		assert.Contains(t, isError(t, err).Detail.Reveal(), markName)
		assert.Len(t, o.seen, 1, "not asked again")
		o.noLeak(fmt.Sprintf("%+v", err))
	}
}

func TestReadIsTriedThreeTimesAndThenGivenUp(t *testing.T) {
	reset := errors.New("read tcp: " + markNHS + " connection reset by peer")
	for name, fault := range map[string]func(w http.ResponseWriter) error{
		"network":   func(http.ResponseWriter) error { return reset },
		"empty 500": func(w http.ResponseWriter) error { w.WriteHeader(500); return nil },
		"503 page":  func(w http.ResponseWriter) error { writeText(w, 503, "<html>"+markName); return nil },
		"200 page":  func(w http.ResponseWriter) error { writeText(w, 200, "<html>"+markName); return nil },
		"half a body": func(w http.ResponseWriter) error {
			writeText(w, 200, `{"compositeResponse":[{"body":"`+markName)
			return nil
		},
		"empty object":   func(w http.ResponseWriter) error { writeText(w, 200, `{}`); return nil },
		"query timeout":  func(w http.ResponseWriter) error { writeJSON(w, 400, refused("QUERY_TIMEOUT", markName)); return nil },
		"inner lock":     func(w http.ResponseWriter) error { return innerRefusal(w, 400, "UNABLE_TO_LOCK_ROW") },
		"inner 503":      func(w http.ResponseWriter) error { return innerRefusal(w, 503, "SERVER_UNAVAILABLE") },
		"short wait 503": func(w http.ResponseWriter) error { w.Header().Set("Retry-After", "3"); w.WriteHeader(503); return nil },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := inMemory(t, noRows(t))
				tries, broken := 0, true
				c := o.client(func(cfg *Config) { cfg.Transport = faulty(o, &tries, &broken, fault) })
				began := time.Now()
				_, err := c.Retrieve(t.Context(), oneKey())
				e := isError(t, err)
				assert.Contains(t, []Class{Retry, Maintenance}, e.Class())
				assert.Equal(t, 3, tries)
				assert.GreaterOrEqual(t, time.Since(began), time.Second)
				assert.LessOrEqual(t, time.Since(began), 8*time.Second)
				assert.False(t, e.Ambiguous(), "a read is never in doubt")
				o.noLeak(err.Error(), fmt.Sprintf("%#v", e))
				broken = false
				_, err = c.Retrieve(t.Context(), oneKey())
				assert.NoError(t, err)
			})
		})
	}
}

func innerRefusal(w http.ResponseWriter, status int, code string) error {
	writeJSON(w, 200, map[string]any{"compositeResponse": []any{subAnswer(0, status, refused(code, markName))}})
	return nil
}

// faulty breaks everything but the token call and describe while broken says so.
func faulty(o *org, tries *int, broken *bool, fault func(http.ResponseWriter) error) http.RoundTripper {
	return roundTrip(func(r *http.Request) (*http.Response, error) {
		if r.URL.Path == tokenPath || strings.HasSuffix(r.URL.Path, "/describe") || !*broken {
			return o.RoundTrip(r)
		}
		*tries++
		var err error
		faultyOrg := &org{t: o.t, answer: func(w http.ResponseWriter, _ *http.Request, _ []byte) { err = fault(w) }}
		resp, _ := faultyOrg.RoundTrip(r)
		if err != nil {
			return nil, err
		}
		return resp, nil
	})
}

func TestRefusalThatDoesNotPassIsNotRepeated(t *testing.T) {
	for code, status := range map[string]int{"INVALID_FIELD": 400, "REQUEST_LIMIT_EXCEEDED": 403, "INVALID_QUERY_LOCATOR": 400,
		"INSUFFICIENT_ACCESS": 403, "": 429, "NOT_FOUND": 404, "SOMETHING_NEW": 400} {
		o := serve(t, func(w http.ResponseWriter, _ *http.Request, _ []byte) { writeJSON(w, status, refused(code, markName)) })
		_, err := o.client().Retrieve(t.Context(), oneKey())
		assert.Equal(t, status, isError(t, err).Status)
		assert.Len(t, o.seen, 1, code)
	}
}

func TestLongRetryAfterIsHandedToTheCaller(t *testing.T) {
	o := serve(t, func(w http.ResponseWriter, _ *http.Request, _ []byte) {
		w.Header().Set("Retry-After", "120")
		w.WriteHeader(503)
	})
	_, err := o.client().Retrieve(t.Context(), oneKey())
	assert.Equal(t, 2*time.Minute, isError(t, err).RetryAfter)
	assert.Len(t, o.seen, 1)
}

func TestRedirectIsNotFollowed(t *testing.T) {
	o := serve(t, func(w http.ResponseWriter, r *http.Request, _ []byte) {
		http.Redirect(w, r, "/elsewhere?"+markNHS, http.StatusFound)
	})
	_, err := o.client().Retrieve(t.Context(), oneKey())
	assert.Equal(t, "retrieve ClinicalServiceRequest: 302 found", err.Error())
	assert.Len(t, o.seen, 1)
}

func TestBodyThatBreaksOffIsReadAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := inMemory(t, func(w http.ResponseWriter, _ *http.Request, body []byte) { writeRows(t, w, body, wideRow()) })
		composites := 0
		c := o.client(func(cfg *Config) {
			cfg.Transport = roundTrip(func(r *http.Request) (*http.Response, error) {
				resp, err := o.RoundTrip(r)
				if strings.HasSuffix(r.URL.Path, "/composite") {
					if composites++; composites == 1 {
						resp.Body = io.NopCloser(io.MultiReader(io.LimitReader(resp.Body, 40), iotest.ErrReader(io.ErrUnexpectedEOF)))
					}
				}
				return resp, err
			})
		})
		records, err := c.Retrieve(t.Context(), wide())
		require.NoError(t, err)
		assert.Len(t, records, 1)
		assert.Equal(t, 2, composites)
	})
}

func TestAnswerOfMoreThanTheLimitIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := inMemory(t, noRows(t))
		huge := false
		c := o.client(func(cfg *Config) {
			cfg.Transport = roundTrip(func(r *http.Request) (*http.Response, error) {
				resp, err := o.RoundTrip(r)
				if huge {
					resp.Body = io.NopCloser(io.LimitReader(zeros{}, answerLimit+1))
				}
				return resp, err
			})
		})
		_, err := c.Describe(t.Context(), "ClinicalServiceRequest")
		require.NoError(t, err)
		huge = true
		_, err = c.Retrieve(t.Context(), oneKey())
		assert.Equal(t, "retrieve ClinicalServiceRequest: 200 no-answer (the answer is larger than any that is read)", err.Error())
	})
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { return len(b), nil }

func TestEndedContextIsNoFailureOfTheOrg(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := inMemory(t, func(w http.ResponseWriter, _ *http.Request, _ []byte) { w.WriteHeader(500) })
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		_, err := o.client().Retrieve(ctx, oneKey())
		require.ErrorIs(t, err, context.DeadlineExceeded)
		_, isRefusal := asError(err)
		assert.False(t, isRefusal)
	})
}

func TestNothingToAskForAsksNothing(t *testing.T) {
	o := serve(t, noRows(t))
	c := o.client()
	s := oneKey()
	s.Keys = nil
	records, err := c.Retrieve(t.Context(), s)
	require.NoError(t, err)
	assert.Empty(t, records)
	found, err := c.FindParents(t.Context(), Lookup{Object: "Identifier", Field: "IdValue", Parent: "ParentRecordId"}, nil)
	require.NoError(t, err)
	assert.Empty(t, found)
	assert.Zero(t, o.tokens)
}
