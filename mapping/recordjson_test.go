package mapping

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"refbridge/sfdc/sobject"
)

func TestWhatARecordLooksLikeInAFile(t *testing.T) {
	for _, c := range []struct {
		name   string
		fields []sobject.Field
		want   string
	}{
		{"a day", []sobject.Field{{Name: "Born__c", Value: sobject.DateValue("1950-06-01")}}, `{"Born__c":"1950-06-01"}`},
		{"a month alone, which Salesforce takes not", []sobject.Field{{Name: "Born__c", Value: sobject.DateValue("1950-06")}}, `{}`},
		{"a year alone beside a text", []sobject.Field{{Name: "Born__c", Value: sobject.DateValue("1950")}, {Name: "Name", Value: sobject.TextValue("x")}}, `{"Name":"x"}`},
		{"what clears a field", []sobject.Field{{Name: "Name", Value: sobject.Value{}}}, `{"Name":null}`},
	} {
		r := sobject.Record{Object: "Account", Key: sobject.Key{Field: "Key__c", Value: "k"}, Fields: c.fields}
		assert.Equal(t, `{"records":[{"object":"Account","key":{"Key__c":"k"},"fields":`+c.want+`}]}`, string(AppendRecords(nil, []Mapped{{Record: r}})), c.name)
	}
}
