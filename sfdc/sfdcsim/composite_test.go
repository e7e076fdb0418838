package sfdcsim

import (
	"fmt"
	"net/url"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const upserts = "/composite/sobjects/ClinicalServiceRequest/Bridge_Key__c"

func record(fields m) m {
	out := m{"attributes": m{"type": "ClinicalServiceRequest"}}
	for k, v := range fields {
		out[k] = v
	}
	return out
}

func (o *org) referrals(keys ...string) []m {
	var out []m
	patient := o.patient()
	for _, k := range keys {
		out = append(out, record(m{"Bridge_Key__c": k, "PatientId": patient, "Type": "Order"}))
	}
	return out
}

// codes gives the statusCode of each result, or created, or updated.
func codes(results any) []string {
	var out []string
	for _, r := range results.([]any) {
		r := r.(m)
		switch errors := r["errors"].([]any); {
		case len(errors) > 0:
			out = append(out, errors[0].(m)["statusCode"].(string))
		case r["created"] == true:
			out = append(out, "created")
		default:
			out = append(out, "saved")
		}
	}
	return out
}

func TestACollectionSavesWhatItCan(t *testing.T) {
	o := newOrg(t, withPeople(1))
	o.referral("old")
	records := append(o.referrals("a", "b"), record(m{"Bridge_Key__c": "old", "Priority": "Urgent"}), record(m{"Bridge_Key__c": "bad", "Type": "Order"}))
	records[1]["Nothing"] = 1
	got := o.call("PATCH", upserts, m{"records": records}, 200)
	assert.Equal(t, []string{"created", "INVALID_FIELD", "saved", "REQUIRED_FIELD_MISSING"}, codes(got))
	bad := got.([]any)[3].(m)
	assert.Equal(t, m{"success": false, "created": false, "errors": []any{m{"statusCode": "REQUIRED_FIELD_MISSING",
		"message": "Required fields are missing: [PatientId]", "fields": []any{"PatientId"}}}}, bad)
	assert.Len(t, o.query("SELECT Id FROM ClinicalServiceRequest"), 2)
}

func TestAllOrNoneTakesTheGoodOnesBack(t *testing.T) {
	o := newOrg(t, withPeople(1))
	o.referral("old")
	before := o.Writes()
	records := append(o.referrals("a"), record(m{"Bridge_Key__c": "old", "Priority": "Urgent"}), record(m{"Bridge_Key__c": "bad"}))
	got := o.call("PATCH", upserts, m{"allOrNone": true, "records": records}, 200)
	rolledBack := "ALL_OR_NONE_OPERATION_ROLLED_BACK"
	assert.Equal(t, []string{rolledBack, rolledBack, "REQUIRED_FIELD_MISSING"}, codes(got))
	assert.Equal(t, before, o.Writes())
	assert.Empty(t, o.query("SELECT Id FROM ClinicalServiceRequest WHERE Priority = 'Urgent' OR Bridge_Key__c = 'a'"))
	assert.Equal(t, []string{"created"}, codes(o.call("PATCH", upserts, m{"records": o.referrals("a")}, 200)), "the key is free")
}

func TestEveryRowOfARepeatedKeyIsRefused(t *testing.T) {
	o := newOrg(t, withPeople(1))
	got := o.call("PATCH", upserts, m{"records": o.referrals("a", "b", "a", "A")}, 200)
	assert.Equal(t, []string{"DUPLICATE_VALUE", "created", "DUPLICATE_VALUE", "created"}, codes(got))
	assert.Equal(t, "Duplicate external id specified: a", got.([]any)[0].(m)["errors"].([]any)[0].(m)["message"])
}

func TestCollectionsHaveLimits(t *testing.T) {
	o := newOrg(t, withPeople(1))
	o.refused("PATCH", upserts, m{"records": []m{}}, 400, "REQUIRED_FIELD_MISSING")
	var many []string
	for i := range 201 {
		many = append(many, fmt.Sprint(i))
	}
	o.refused("PATCH", upserts, m{"records": o.referrals(many...)}, 400, "EXCEEDED_ID_LIMIT")
	assert.Len(t, o.call("PATCH", upserts, m{"records": o.referrals(many[:200]...)}, 200), 200)
	o.refused("PATCH", upserts, m{"records": []m{{"attributes": m{"type": "Account"}}}}, 400, "INVALID_TYPE")
	assert.Equal(t, []string{"MISSING_ARGUMENT", "MISSING_ARGUMENT"}, codes(o.call("PATCH", upserts, m{"records": []m{record(m{}), record(m{"Bridge_Key__c": ""})}}, 200)))
	o.refused("PATCH", "/composite/sobjects/ClinicalServiceRequest/SourceSystem", m{"records": o.referrals("a")}, 400, "INVALID_FIELD")
	var mixed []m
	for i := range 11 {
		mixed = append(mixed, m{"attributes": m{"type": []string{"CodeSet", "CodeSetBundle"}[i%2]}, "Name": "n", "Code": "c"})
	}
	o.refused("POST", "/composite/sobjects", m{"records": mixed}, 400, "LIMIT_EXCEEDED")
}

func TestCollectionsCreateAndUpdateMixedTypes(t *testing.T) {
	o := newOrg(t, Options{})
	made := o.call("POST", "/composite/sobjects", m{"records": []m{
		{"attributes": m{"type": "CodeSet"}, "Name": "n", "Code": "c"},
		{"attributes": m{"type": "CodeSetBundle"}, "Name": "n"}, {"attributes": m{"type": "Nothing"}}}}, 200).([]any)
	assert.Equal(t, []string{"saved", "saved", "INVALID_TYPE"}, codes(made))
	assert.NotContains(t, made[0], "created")
	changed := o.call("PATCH", "/composite/sobjects", m{"records": []m{
		{"attributes": m{"type": "CodeSet"}, "id": made[0].(m)["id"], "Name": "n2"}, {"attributes": m{"type": "CodeSet"}, "Name": "n2"},
		{"attributes": m{"type": "CodeSet"}, "Id": made[1].(m)["id"], "Name": "n2"}}}, 200)
	assert.Equal(t, []string{"saved", "MISSING_ARGUMENT", "INVALID_CROSS_REFERENCE_KEY"}, codes(changed))
}

func sub(method, path, ref string, body any) m {
	out := m{"method": method, "url": data + path, "referenceId": ref}
	if body != nil {
		out["body"] = body
	}
	return out
}

func statuses(answer any) []int {
	var out []int
	for _, r := range answer.(m)["compositeResponse"].([]any) {
		out = append(out, int(r.(m)["httpStatusCode"].(float64)))
	}
	return out
}

func TestCompositeRunsInOrderAndResolvesReferences(t *testing.T) {
	o := newOrg(t, withPeople(1))
	calls := o.Report().Calls
	got := o.call("POST", "/composite", m{"allOrNone": true, "compositeRequest": []m{
		sub("GET", "/query?q="+url.QueryEscape("SELECT ParentRecordId FROM Identifier WHERE IdValue = '9990000018'"), "who", nil),
		sub("PATCH", byKey+"k", "ref", m{"PatientId": "@{who.records[0].ParentRecordId}", "Type": "Order"}),
		sub("POST", "/sobjects/ClinicalServiceRequestDetail", "det", m{"ClinicalServiceRequestId": "@{ref.id}"}),
		sub("GET", "/sobjects/ClinicalServiceRequest/@{ref.id}", "back", nil)}}, 200)
	require.Equal(t, []int{200, 201, 201, 200}, statuses(got))
	last := got.(m)["compositeResponse"].([]any)[3].(m)
	assert.Equal(t, "back", last["referenceId"])
	assert.Equal(t, "k", last["body"].(m)["Bridge_Key__c"])
	assert.Equal(t, calls+1, o.Report().Calls, "a composite is one call")
	assert.Empty(t, o.Report().Violations, "an NHS number in a body is where it belongs")
}

func TestCompositeWithAllOrNoneHaltsTheOthers(t *testing.T) {
	o := newOrg(t, withPeople(1))
	list := []m{sub("PATCH", byKey+"k", "a", m{"PatientId": o.patient(), "Type": "Order"}), sub("PATCH", byKey+"l", "b", m{"Type": "Order"}),
		sub("PATCH", byKey+"m", "c", m{"PatientId": o.patient(), "Type": "Order"})}
	got := o.call("POST", "/composite", m{"allOrNone": true, "compositeRequest": list}, 200)
	assert.Equal(t, []int{400, 400, 400}, statuses(got))
	body := got.(m)["compositeResponse"].([]any)[0].(m)["body"].([]any)[0].(m)
	assert.Equal(t, "PROCESSING_HALTED", body["errorCode"])
	assert.Empty(t, o.query("SELECT Id FROM ClinicalServiceRequest"))
	got = o.call("POST", "/composite", m{"compositeRequest": list}, 200)
	assert.Equal(t, []int{201, 400, 201}, statuses(got))
}

func TestCompositeRefusesWhatItCannotRun(t *testing.T) {
	o := newOrg(t, withPeople(1))
	var many, queries []m
	for i := range 26 {
		many = append(many, sub("GET", "/sobjects", fmt.Sprint("r", i), nil))
	}
	for i := range 6 {
		queries = append(queries, sub("GET", "/query?q=SELECT+Id+FROM+Account", fmt.Sprint("r", i), nil))
	}
	o.refused("POST", "/composite", m{"compositeRequest": many}, 400, "LIMIT_EXCEEDED")
	o.refused("POST", "/composite", m{"compositeRequest": queries}, 400, "LIMIT_EXCEEDED")
	o.refused("POST", "/composite", m{"compositeRequest": []m{many[0], many[0]}}, 400, "INVALID_INPUT")
	o.refused("POST", "/composite", m{"compositeRequest": []m{sub("GET", "/sobjects", "a-b", nil)}}, 400, "INVALID_INPUT")
	o.refused("POST", "/composite", m{}, 400, "REQUIRED_FIELD_MISSING")
	o.refused("GET", "/composite", nil, 405, "METHOD_NOT_ALLOWED")
	got := o.call("POST", "/composite", m{"compositeRequest": append(queries[:5], sub("POST", "/composite", "c", m{}),
		sub("GET", "/sobjects/Account/@{none.id}", "d", nil), sub("GET", "/sobjects/Account/@{r0.records[0].id}", "e", nil))}, 200)
	assert.Equal(t, []int{200, 200, 200, 200, 200, 400, 400, 400}, statuses(got), "Id is not id")
}

func TestAGraphIsSavedWholeOrNotAtAll(t *testing.T) {
	o := newOrg(t, withPeople(1))
	graph := func(id string, detail m) m {
		return m{"graphId": id, "compositeRequest": []m{
			sub("PATCH", byKey+id, "r", m{"PatientId": o.patient(), "Type": "Order"}),
			sub("POST", "/sobjects/ClinicalServiceRequestDetail", "d", detail)}}
	}
	got := o.call("POST", "/composite/graph", m{"graphs": []m{
		graph("good", m{"ClinicalServiceRequestId": "@{r.id}"}), graph("bad", m{"Nothing": 1})}}, 200).(m)["graphs"].([]any)
	assert.Equal(t, true, got[0].(m)["isSuccessful"])
	assert.Equal(t, false, got[1].(m)["isSuccessful"])
	assert.Equal(t, []int{400, 400}, statuses(got[1].(m)["graphResponse"]))
	assert.Len(t, o.query("SELECT Id FROM ClinicalServiceRequest WHERE Bridge_Key__c IN ('good', 'bad')"), 1)

	var chain []m
	for i := range 16 {
		chain = append(chain, sub("PATCH", byKey+fmt.Sprint(i), fmt.Sprint("n", i), m{"OriginalRequestId": fmt.Sprintf("@{n%d.id}", i-1)}))
	}
	o.refused("POST", "/composite/graph", m{"graphs": []m{{"graphId": "deep", "compositeRequest": chain}}}, 400, "LIMIT_EXCEEDED")
	o.refused("POST", "/composite/graph", m{"graphs": []m{{"graphId": "query", "compositeRequest": []m{sub("GET", "/query?q=x", "q", nil)}}}}, 400, "INVALID_INPUT")
	var bad []m
	for i := range 17 {
		bad = append(bad, graph(fmt.Sprint("b", i), m{"Nothing": 1}))
	}
	out := o.call("POST", "/composite/graph", m{"graphs": bad}, 200).(m)["graphs"].([]any)
	assert.Contains(t, fmt.Sprint(out[14]), "INVALID_FIELD")
	assert.NotContains(t, fmt.Sprint(out[15]), "INVALID_FIELD", "after more than 14 failures the rest is not processed")
}

func TestParallelUpsertsOfOneKeyMakeOneRecord(t *testing.T) {
	o := newOrg(t, withPeople(1))
	records := o.referrals("same", "x", "y")
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			status, _ := o.quiet("PATCH", upserts, m{"records": records})
			assert.Equal(t, 200, status)
		})
	}
	wait.Wait()
	assert.Equal(t, 3, o.Report().Records["ClinicalServiceRequest"])
	assert.Equal(t, 3, o.Report().Creates)
}

// trace gives all that a request may change: the rows with their values, deleted or not, and the index.
func (o *org) trace() map[string]any {
	out := map[string]any{}
	for name, table := range o.store.tables {
		for _, r := range table.rows {
			out[r.id] = m{"values": r.values, "deleted": r.deleted}
		}
		for field, index := range table.index {
			for key, rows := range index {
				var ids []string
				for _, r := range rows {
					ids = append(ids, r.id)
				}
				out[name+"."+field+"="+key] = ids
			}
		}
	}
	return out
}

func TestARolledBackRequestLeavesNoTrace(t *testing.T) {
	o := newOrg(t, withPeople(3))
	patient, referral := o.patient(), o.referral("k")
	o.create("ClinicalServiceRequestDetail", m{"ClinicalServiceRequestId": referral})
	o.create("ClinicalServiceRequest", m{"PatientId": patient, "Type": "Order", "OriginalRequestId": referral})
	before, writes := o.trace(), o.Writes()
	got := o.call("POST", "/composite", m{"allOrNone": true, "compositeRequest": []m{
		sub("PATCH", byKey+"k", "a", m{"Priority": "Urgent", "Nothing": 1}),
	}}, 200)
	require.Equal(t, []int{400}, statuses(got))
	got = o.call("POST", "/composite", m{"allOrNone": true, "compositeRequest": []m{
		sub("PATCH", byKey+"k", "a", m{"Priority": "Urgent"}),
		sub("PATCH", "/sobjects/ClinicalServiceRequest/"+referral, "b", m{"Bridge_Key__c": "moved"}),
		sub("POST", "/sobjects/Account", "c", m{"LastName": "Vexmoor"}),
		sub("DELETE", "/sobjects/ClinicalServiceRequest/"+referral, "d", nil),
		sub("PATCH", byKey+"k", "e", m{"PatientId": patient, "Type": "Order"}),
		sub("DELETE", "/sobjects/Account/"+patient, "f", nil),
		sub("PATCH", byKey+"last", "g", m{"PatientId": patient, "Type": "Order"}),
	}}, 200)
	require.Equal(t, []int{400, 400, 400, 400, 400, 400, 400}, statuses(got))
	assert.Contains(t, fmt.Sprint(got), "ENTITY_IS_DELETED")
	assert.Equal(t, before, o.trace())
	assert.Equal(t, writes, o.Writes())
}
