package mapping

import (
	"refbridge/fhir"
	"refbridge/sfdc/sobject"
)

// AppendRecords appends records as one line of JSON, in their order:
//
//	{"records":[{"object":"Account","key":{"Bridge_Key__c":"…"},"fields":{"LastName":"…","IsActive":true,"Phone":null}}]}
//
// null clears a field. A value that points to another record is {"ref":"Object.KeyField","key":"…"}; one that has to be
// looked up is {"lookup":"Account.nhsNumber","key":"…"}. A month or a year alone is not written, and not here. It is personal data.
func AppendRecords(dst []byte, records []Mapped) []byte {
	dst = append(dst, `{"records":[`...)
	for i := range records {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendRecord(dst, &records[i].Record)
	}
	return append(dst, "]}"...)
}

func appendRecord(dst []byte, r *sobject.Record) []byte {
	dst = fhir.AppendJSONString(append(dst, `{"object":`...), r.Object)
	dst = fhir.AppendJSONString(append(dst, `,"key":{`...), r.Key.Field)
	dst = fhir.AppendJSONString(append(dst, ':'), r.Key.Value)
	dst = append(dst, `},"fields":{`...)
	first := true
	for _, f := range r.Fields {
		if f.Value.Partial() {
			continue
		}
		if !first {
			dst = append(dst, ',')
		}
		first = false
		dst = append(fhir.AppendJSONString(dst, f.Name), ':')
		dst = appendValue(dst, f.Value)
	}
	return append(dst, "}}"...)
}

func appendValue(dst []byte, v sobject.Value) []byte {
	switch v.Kind() {
	case sobject.Null:
		return append(dst, "null"...)
	case sobject.Bool, sobject.Number:
		return append(dst, v.Reveal()...)
	case sobject.Ref:
		return appendPointer(dst, `{"ref":`, v, v.Key())
	case sobject.Lookup:
		return appendPointer(dst, `{"lookup":`, v, v.LookupKey())
	}
	return fhir.AppendJSONString(dst, v.Reveal())
}

func appendPointer(dst []byte, begin string, v sobject.Value, key string) []byte {
	dst = fhir.AppendJSONString(append(dst, begin...), v.To().Object+"."+v.To().Field)
	dst = fhir.AppendJSONString(append(dst, `,"key":`...), key)
	return append(dst, '}')
}
