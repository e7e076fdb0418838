package sfdcsim

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func codeSets(t *testing.T) *org {
	o := newOrg(t, Options{})
	for i, name := range []string{"Alpha", "beta", "Gamma_1", "50% off", "O'Neill"} {
		body := m{"Name": name, "Code": fmt.Sprint(i)}
		if i != 3 {
			body["StartDate"] = fmt.Sprintf("2026-01-%02d", i+1)
		}
		o.create("CodeSet", body)
	}
	return o
}

func (o *org) names(soql string) string {
	o.t.Helper()
	var out []string
	for _, r := range o.query(soql) {
		out = append(out, r.(m)["Name"].(string))
	}
	return strings.Join(out, ", ")
}

func TestWhereOrderAndLimit(t *testing.T) {
	o := codeSets(t)
	for where, want := range map[string]string{
		"Name = 'ALPHA'":                                    "Alpha",
		"name != 'alpha' AND IsActive = false":              "beta, Gamma_1, 50% off, O'Neill",
		"Name IN ('alpha', 'BETA', 'x')":                    "Alpha, beta",
		"NOT Name IN ('alpha', 'beta')":                     "Gamma_1, 50% off, O'Neill",
		"Name NOT IN ('alpha', 'beta')":                     "Gamma_1, 50% off, O'Neill",
		"Name LIKE '%a'":                                    "Alpha, beta",
		"Name LIKE 'G_mma%'":                                "Gamma_1",
		`Name LIKE '%\_%'`:                                  "Gamma_1",
		`Name LIKE '50\% %'`:                                "50% off",
		`Name = 'O\'Neill'`:                                 "O'Neill",
		`Name = '\u0041lpha'`:                               "Alpha",
		"StartDate = null":                                  "50% off",
		"StartDate != null AND StartDate > 2026-01-02":      "Gamma_1, O'Neill",
		"(Name = 'beta' OR Name = 'Alpha') AND Code = '1'":  "beta",
		"Name < 'b' AND Name >= 'a'":                        "Alpha",
		"StartDate <= 2026-01-01":                           "Alpha",
		"CreatedDate >= 2026-03-02T09:30:00Z":               "Alpha, beta, Gamma_1, 50% off, O'Neill",
		"CreatedDate < 2026-03-02T10:30:00.000+01:00":       "",
		"SystemModstamp = 2026-03-02T09:30:00.000+0000":     "Alpha, beta, Gamma_1, 50% off, O'Neill",
		"CodeSet.Name = 'beta'":                             "beta",
		"Owner.Name = 'integration' AND Name LIKE 'alpha%'": "Alpha",
	} {
		assert.Equal(t, want, o.names("SELECT Name FROM CodeSet WHERE "+where), where)
	}
	assert.Equal(t, "O'Neill, Gamma_1, beta, Alpha, 50% off", o.names("select Name from codeset order by name desc"))
	assert.Equal(t, "50% off, O'Neill", o.names("SELECT Name FROM CodeSet ORDER BY StartDate DESC NULLS FIRST LIMIT 2"))
	assert.Equal(t, "Gamma_1", o.names("SELECT Name FROM CodeSet ORDER BY StartDate NULLS LAST, Id ASC LIMIT 1 OFFSET 2"))
}

func TestCountHasNoRecords(t *testing.T) {
	o := codeSets(t)
	out := o.call("GET", "/query?q=SELECT+COUNT()+FROM+CodeSet+WHERE+Code+>+'1'", nil, 200).(m)
	assert.Equal(t, m{"totalSize": 3.0, "done": true, "records": []any{}}, out)
}

func TestParentsAreSelectedThroughTheirRelationship(t *testing.T) {
	o := newOrg(t, withPeople(1))
	patient, id := o.patient(), o.referral("k")
	o.create("ClinicalServiceRequestDetail", m{"ClinicalServiceRequestId": id, "Bridge_Key__c": "k.d"})
	got := o.query("SELECT Id, ClinicalServiceRequest.Patient.Name, clinicalservicerequest.bridge_key__c, DetailCode.Name, DetailRecord.Id FROM ClinicalServiceRequestDetail WHERE ClinicalServiceRequest.Bridge_Key__c = 'k'")
	require.Len(t, got, 1)
	request := got[0].(m)["ClinicalServiceRequest"].(m)
	assert.Equal(t, "k", request["Bridge_Key__c"])
	assert.Equal(t, m{"type": "Account", "url": data + "/sobjects/Account/" + patient}, request["Patient"].(m)["attributes"])
	assert.Contains(t, got[0], "DetailCode")
	assert.Nil(t, got[0].(m)["DetailCode"])
	assert.NotContains(t, request, "Id")

	o.create("ServiceAppointment", m{"ParentRecordId": id, "Status": "None", "EarliestStartTime": "2026-04-02T09:00:00Z", "DueDate": "2026-04-02T09:00:00Z"})
	parent := o.query("SELECT ParentRecord.Name, ParentRecord.Type FROM ServiceAppointment")[0].(m)["ParentRecord"].(m)
	assert.Equal(t, []any{"CSR-00000001", "ClinicalServiceRequest"}, []any{parent["Name"], parent["Type"]})
	e := o.refused("GET", "/query?q="+url.QueryEscape("SELECT ParentRecord.Bridge_Key__c FROM ServiceAppointment"), nil, 400, "INVALID_FIELD")
	assert.Contains(t, e["message"], "No such column 'Bridge_Key__c' on entity 'Name'")
	assert.Len(t, o.query("SELECT Id FROM ServiceAppointment WHERE ParentRecordId = '"+id[:15]+"'"), 1, "a 15-character id matches")
}

func TestQueriesThatThePlatformRefuses(t *testing.T) {
	o := newOrg(t, withPeople(1))
	for soql, want := range map[string]string{
		"":                                "MALFORMED_QUERY unexpected token: <EOF>",
		"SELECT FROM Account":             "MALFORMED_QUERY unexpected token: 'FROM'",
		"SELECT Id FROM Account WHERE":    "MALFORMED_QUERY unexpected token: <EOF>",
		"SELECT Id FROM Account Id = 1":   "MALFORMED_QUERY unexpected token: 'Id'",
		"SELECT Id FROM Account LIMIT x":  "MALFORMED_QUERY unexpected token: 'x'",
		"SELECT Id FROM Account LIMIT -1": "MALFORMED_QUERY unexpected token: '-1'",
		"SELECT Id FROM Account WHERE Name = 'a' AND Name = 'b' OR Name = 'c'": "MALFORMED_QUERY unexpected token: 'OR'",
		"SELECT Id FROM Account WHERE Name = 'a":                               "MALFORMED_QUERY line 1:38 mismatched character",
		`SELECT Id FROM Account WHERE Name = '\q'`:                             "MALFORMED_QUERY Illegal escape",
		"SELECT Id FROM Account WHERE Name = {":                                "MALFORMED_QUERY line 1:36 no viable alternative",
		"SELECT Nothing FROM Account":                                          "INVALID_FIELD \nSELECT Nothing\n       ^\nERROR at Row:1:Column:8\nNo such column 'Nothing' on entity 'Account'.",
		"SELECT Id FROM Nothing":                                               "INVALID_TYPE \nSELECT Id FROM Nothing\n               ^\nERROR at Row:1:Column:16\nsObject type 'Nothing' is not supported.",
		"SELECT Nobody.Name FROM Account":                                      "INVALID_FIELD \nSELECT Nobody.Name\n       ^\nERROR at Row:1:Column:8\nDidn't understand relationship 'Nobody'",
		"SELECT Id, ID FROM Account":                                           "INVALID_FIELD",
		"SELECT Id FROM Account WHERE SystemModstamp > '2026-01-01T00:00:00Z'": "INVALID_FIELD value of filter criterion for field 'SystemModstamp' must be of type dateTime and should not be enclosed in quotes",
		"SELECT Id FROM Account WHERE SystemModstamp > 2026-01-01":             "INVALID_FIELD value of filter",
		"SELECT Id FROM Account WHERE Name = 1":                                "INVALID_FIELD value of filter criterion for field 'Name' must be of type string and should be enclosed in quotes",
		"SELECT Id FROM Account WHERE Name > null":                             "MALFORMED_QUERY",
		"SELECT Id FROM Account WHERE Id = 'x'":                                "INVALID_QUERY_FILTER_OPERATOR invalid ID field: x",
		"SELECT Id FROM Account WHERE Id LIKE '001%'":                          "INVALID_QUERY_FILTER_OPERATOR",
		"SELECT Id FROM ClinicalServiceRequest WHERE PatientInstruction = 'x'": "INVALID_FIELD",
		"SELECT Id FROM ClinicalServiceRequest ORDER BY PatientInstruction":    "MALFORMED_QUERY field 'PatientInstruction' can not be sorted",
		"SELECT Id FROM Account LIMIT 50001":                                   "NUMBER_OUTSIDE_VALID_RANGE",
	} {
		status, body := o.raw("GET", "/query?q="+url.QueryEscape(soql), nil)
		assert.Equal(t, 400, status, soql)
		code, message, _ := strings.Cut(want, " ")
		assert.Contains(t, string(body), `"errorCode":"`+code+`"`, soql)
		quoted := strings.ReplaceAll(message, "\n", `\n`)
		assert.Contains(t, string(body), strings.TrimSpace(quoted), soql)
	}
	status, _ := o.raw("GET", "/query?q="+strings.Repeat("a", maxURL), nil)
	assert.Equal(t, 414, status)
}

func TestPagesFollowEachOtherUntilTheCursorIsGone(t *testing.T) {
	o := newOrg(t, Options{People: 6, PageSize: 4})
	soql := "SELECT Name FROM Account ORDER BY Id"
	page := o.call("GET", "/query?q="+url.QueryEscape(soql), nil, 200).(m)
	assert.Equal(t, []any{6.0, false, 4}, []any{page["totalSize"], page["done"], len(page["records"].([]any))})
	next := page["nextRecordsUrl"].(string)
	require.Regexp(t, `^/services/data/v66.0/query/01g[0-9A-Za-z]{15}-4$`, next)
	last := o.call("GET", next, nil, 200).(m)
	assert.Equal(t, []any{6.0, true, 2}, []any{last["totalSize"], last["done"], len(last["records"].([]any))})
	assert.NotContains(t, last, "nextRecordsUrl")
	o.refused("GET", strings.Replace(next, "-4", "-9", 1), nil, 400, "INVALID_QUERY_LOCATOR")
	o.Advance(49 * time.Hour)
	o.signIn()
	o.refused("GET", next, nil, 400, "INVALID_QUERY_LOCATOR")
}

func TestTheBatchSizeIsAHeader(t *testing.T) {
	o := newOrg(t, withPeople(250))
	status, body := o.raw("GET", "/query?q=SELECT+Id+FROM+Account", nil, "Sforce-Query-Options", "batchSize=10")
	require.Equal(t, 200, status)
	assert.Equal(t, 200, strings.Count(string(body), `"Id"`), "200 is the least")
}

func FuzzSOQLNeverBreaksTheParser(f *testing.F) {
	for _, s := range []string{
		"SELECT Id, Patient.Name FROM ClinicalServiceRequest WHERE Bridge_Key__c IN ('a','b') AND NOT (Status = 'x' OR Name LIKE 'a\\%%') ORDER BY SystemModstamp DESC NULLS LAST LIMIT 5",
		"SELECT COUNT() FROM Account WHERE SystemModstamp >= 2026-01-01T00:00:00Z", "SELECT '\\u00", "a.b.c.d <> -1 '", "SELECT Id FROM Account WHERE Name='\\",
	} {
		f.Add(s)
	}
	s, err := New(Options{People: 2, Now: moment})
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, src string) {
		q, refused := parseSOQL(s.schema, src)
		if refused == nil {
			s.selectRows(q, false)
			return
		}
		require.NotEmpty(t, refused.code)
	})
}
