package sfdc

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/go-resty/resty/v2"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func refusalOf(status int, body string) *Error {
	rec := httptest.NewRecorder()
	rec.WriteHeader(status)
	resp := (&resty.Response{Request: &resty.Request{}, RawResponse: rec.Result()}).SetBody([]byte(body))
	return refusal("retrieve Account", resp, mustTime("2026-01-31T12:00:00Z"))
}

func TestEveryShapeOfErrorBodyGivesItsCodeAndFieldsAndKeepsItsTextPrivate(t *testing.T) {
	text := "value " + markName + " is wrong"
	for _, c := range []struct {
		name, body, code string
		status           int
		class            Class
		printed          string
	}{
		{"list", `[{"message":"` + text + `","errorCode":"INVALID_FIELD","fields":["Name","Patient.Key__c"]}]`, "INVALID_FIELD",
			400, Data, "retrieve Account: 400 INVALID_FIELD in Name, Patient.Key__c"},
		{"single object", `{"message":"` + text + `","errorCode":"ENTITY_IS_LOCKED"}`, "ENTITY_IS_LOCKED",
			400, Locked, "retrieve Account: 400 ENTITY_IS_LOCKED"},
		{"OAuth", `{"error":"invalid_grant","error_description":"` + text + `"}`, "invalid_grant",
			400, Unknown, "retrieve Account: 400 invalid_grant"},
		{"row", `[{"statusCode":"STRING_TOO_LONG","message":"` + text + `","fields":["Name"]}]`, "STRING_TOO_LONG",
			200, Data, "retrieve Account: 200 STRING_TOO_LONG in Name"},
		{"HTML 503", `<html>` + markName + `</html>`, "", 503, Maintenance, "retrieve Account: 503 service unavailable"},
		{"empty 500", ``, "", 500, Retry, "retrieve Account: 500 internal server error"},
		{"half a body", `[{"message":"` + text, "", 400, Unknown, "retrieve Account: 400 bad request"},
		{"sentence for a code", `[{"errorCode":"` + text + `"}]`, "", 400, Unknown, "retrieve Account: 400 bad request"},
		{"number for a code", `[{"errorCode":"X` + markNHS + `"}]`, "", 400, Unknown, "retrieve Account: 400 bad request"},
		{"text for a field", `[{"errorCode":"INVALID_FIELD","fields":["` + text + `"]}]`, "INVALID_FIELD", 400, Data,
			"retrieve Account: 400 INVALID_FIELD"},
		{"numbers all over", `[{"errorCode":5,"message":6,"fields":7}]`, "", 400, Unknown, "retrieve Account: 400 bad request"},
		{"300", `["/services/data/v66.0/sobjects/Account/001"]`, "", 300, Duplicate, "retrieve Account: 300 multiple choices"},
		{"retired version", `[{"errorCode":"UNSUPPORTED_API_VERSION","message":"x"}]`, "UNSUPPORTED_API_VERSION", 410, Permission,
			"retrieve Account: 410 UNSUPPORTED_API_VERSION"},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := refusalOf(c.status, c.body)
			assert.Equal(t, c.code, e.Code)
			assert.Equal(t, c.class, e.Class())
			assert.Equal(t, c.printed, e.Error())
			assert.False(t, e.Ambiguous())
			assertPrivate(t, e)
		})
	}
}

// assertPrivate prints an error in every way that Go has.
func assertPrivate(t *testing.T, e *Error) {
	t.Helper()
	marshalled, err := json.Marshal(e)
	require.NoError(t, err)
	var log strings.Builder
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "err", e, "result", SaveResult{Err: e})
	for _, s := range []string{e.Error(), fmt.Sprintf("%v %+v %#v %s %q", e, *e, e, e, e), string(marshalled), log.String()} {
		assert.NotContains(t, s, markName)
		assert.NotContains(t, s, markNHS)
	}
}

func TestDuplicatesDetectedGivesTheMatchingIds(t *testing.T) {
	e := refusalOf(400, `[{"duplicateResult":{"allowSave":true,"duplicateRule":"Patients","duplicateRuleEntityType":"Account",
		"errorMessage":"Use `+markName+`?","matchResults":[{"entityType":"Account","errors":[],"matchEngine":"FuzzyMatchEngine",
		"matchRecords":[{"additionalInformation":[],"fieldDiffs":[],"matchConfidence":100.0,
		"record":{"attributes":{"type":"Account"},"Id":"001000000000001AAA"}},{"record":{"Id":"001000000000002AAA"}},
		{"record":{"Id":"001000000000001AAA"}},{"record":{"Id":"`+markName+`"}}],"rule":"R","size":1,"success":true}]},
		"errorCode":"DUPLICATES_DETECTED","message":"Use one of these records?"}]`)
	assert.Equal(t, Duplicate, e.Class())
	assert.Equal(t, []string{"001000000000001AAA", "001000000000002AAA"}, e.Matches)
	assertPrivate(t, e)
}

func TestDuplicateValueGivesTheFieldAndTheRecordInTheWay(t *testing.T) {
	e := refusalOf(400, `[{"statusCode":"DUPLICATE_VALUE","fields":[],`+
		`"message":"duplicate value found: Bridge_Key__c duplicates value on record with id: 0ho000000000001"}]`)
	assert.Equal(t, "retrieve Account: 400 DUPLICATE_VALUE in Bridge_Key__c", e.Error())
	assert.Equal(t, []string{"0ho000000000001"}, e.Matches)
	assert.Equal(t, DuplicateKey, e.Class())
	for _, text := range []string{"duplicate value found: <unknown> duplicates value on record with id: <unknown>",
		"duplicate value found: " + markName + " duplicates value on record with id: 001"} {
		e = refusalOf(400, `[{"statusCode":"DUPLICATE_VALUE","message":"`+text+`"}]`)
		assert.Empty(t, e.Fields)
		assert.Empty(t, e.Matches)
		assertPrivate(t, e)
	}
}

func TestStatusDecidesWhereNoCodeDoes(t *testing.T) {
	for status, class := range map[int]Class{300: Duplicate, 302: Unknown, 400: Unknown, 401: Auth, 403: Unknown, 404: Unknown, 408: Retry,
		409: Retry, 410: Permission, 412: Retry, 415: Unknown, 420: Limit, 429: Limit, 500: Retry, 502: Retry, 503: Maintenance, 504: Retry} {
		assert.Equal(t, class, (&Error{Call: "upsert X", Status: status}).Class(), status)
	}
}

func TestEveryKnownCodeHasItsClass(t *testing.T) {
	for class, codes := range map[Class]string{
		Retry: `UNABLE_TO_LOCK_ROW QUERY_TIMEOUT REQUEST_RUNNING_TOO_LONG SERVER_UNAVAILABLE SERVICE_UNAVAILABLE
			COLLISION_DETECTED TOO_MANY_APEX_REQUESTS UNKNOWN_EXCEPTION INVALID_QUERY_LOCATOR PROCESSING_HALTED
			ALL_OR_NONE_OPERATION_ROLLED_BACK no-answer unreadable-answer row-count not-sent`,
		Limit:       `REQUEST_LIMIT_EXCEEDED LIMIT_EXCEEDED EXCEEDED_QUOTA TOO_MANY_JOBS STORAGE_LIMIT_EXCEEDED call-allocation token-calls`,
		Maintenance: `INSERT_UPDATE_DELETE_NOT_ALLOWED_DURING_MAINTENANCE ORG_IN_MAINTENANCE FUNCTIONALITY_TEMPORARILY_UNAVAILABLE`,
		Auth:        `INVALID_SESSION_ID SESSION_EXPIRED INVALID_AUTH_HEADER INVALID_LOGIN ORG_LOCKED API_DISABLED_FOR_ORG`,
		Permission: `INSUFFICIENT_ACCESS INSUFFICIENT_ACCESS_OR_READONLY INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY
			FIELD_NOT_UPDATABLE FUNCTIONALITY_NOT_ENABLED INVALID_TYPE NOT_FOUND UNSUPPORTED_API_VERSION read-only`,
		Data: `REQUIRED_FIELD_MISSING STRING_TOO_LONG INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST
			FIELD_CUSTOM_VALIDATION_EXCEPTION INVALID_FIELD_FOR_INSERT_UPDATE NUMBER_OUTSIDE_VALID_RANGE INVALID_FIELD
			CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY field-not-visible value-not-fit key-not-fit key-twice`,
		Duplicate: `DUPLICATES_DETECTED DUPLICATE_EXTERNAL_ID`, DuplicateKey: `DUPLICATE_VALUE`,
		Gone: `ENTITY_IS_DELETED INVALID_CROSS_REFERENCE_KEY`, Locked: `ENTITY_IS_LOCKED`, Unknown: `SOMETHING_NEW`,
	} {
		for _, code := range strings.Fields(codes) {
			assert.Equal(t, class, (&Error{Call: "upsert X", Status: 400, Code: code}).Class(), code)
		}
	}
	assert.Equal(t, Retry, (&Error{Status: 500, Code: "SOMETHING_NEW"}).Class())
	assert.Equal(t, Retry, (&Error{Status: 200, Code: "CANNOT_EXECUTE_FLOW_TRIGGER", Detail: "… UNABLE_TO_LOCK_ROW …"}).Class())
	assert.Equal(t, Auth, (&Error{Call: callToken, Status: 400, Code: "invalid_grant"}).Class())
	assert.Equal(t, Limit, (&Error{Call: callToken, Status: 400, Code: "rate_limit_exceeded"}).Class())
	assert.Equal(t, Retry, (&Error{Call: callToken, Status: 503}).Class())
}

func FuzzErrorBodyNeverPrintsWhatItSays(f *testing.F) {
	for _, seed := range []string{`[{"message":"m","errorCode":"INVALID_FIELD","fields":["A"]}]`, `{"error":"invalid_grant"}`, `<html>`,
		``, `[[[[`, `[{"errorCode":{"a":1}}]`, `null`, `[null,1,"x",{"fields":{"a":"b"}}]`, `{"duplicateResult":{"matchResults":[{"matchRecords":7}]}}`,
		`[{"statusCode":"UNABLE_TO_LOCK_ROW","errorCode":"X"}]`, `{"errorCode":"a b"}`} {
		f.Add(400, seed)
	}
	f.Add(503, "")
	f.Fuzz(func(t *testing.T, status int, body string) {
		if status < 300 || status > 599 {
			status = http.StatusBadRequest
		}
		e := refusalOf(status, body)
		require.NotEmpty(t, e.Class())
		require.False(t, e.Ambiguous())
		require.LessOrEqual(t, len(e.Code), 250)
		require.NotContains(t, e.Code, " ")
		for _, field := range e.Fields {
			require.Regexp(t, fieldPattern(), field)
		}
		for _, id := range e.Matches {
			require.Regexp(t, idPattern(), id)
		}
	})
}
