package sfdcsim

import (
	"net/http"
	"slices"
)

func (s *Server) describeGlobal(q request) response {
	if q.method != http.MethodGet {
		return failed(notAllowed(q.method, "HEAD", "GET"))
	}
	list := []any{}
	for _, o := range s.schema.objects {
		list = append(list, s.summary(o, q.version))
	}
	return response{status: 200, body: map[string]any{"encoding": "UTF-8", "maxBatchSize": 200, "sobjects": list}}
}

// summary is what describe says of an object besides its fields.
func (s *Server) summary(o *object, version string) map[string]any {
	base := "/services/data/v" + version + "/sobjects/" + o.Name
	writable := !o.ReadOnly
	return map[string]any{
		"name": o.Name, "label": label(o.Name), "labelPlural": label(o.Name) + "s", "keyPrefix": o.Prefix,
		"custom": false, "customSetting": false, "createable": writable, "updateable": writable, "deletable": writable,
		"undeletable": writable, "queryable": true, "retrieveable": true, "searchable": true, "replicateable": true,
		"triggerable": writable, "feedEnabled": false, "layoutable": true, "mergeable": o.Name == "Account",
		"urls": map[string]any{"sobject": base, "describe": base + "/describe", "rowTemplate": base + "/{ID}"},
	}
}

func (s *Server) describe(q request, o *object) response {
	if q.method != http.MethodGet {
		return failed(notAllowed(q.method, "HEAD", "GET"))
	}
	out := s.summary(o, q.version)
	fields := []any{}
	for _, f := range o.Fields {
		fields = append(fields, describeField(o, f))
	}
	out["fields"] = fields
	out["childRelationships"] = s.children(o)
	out["recordTypeInfos"] = s.recordTypeInfos(o)
	return response{status: 200, body: out}
}

func describeField(o *object, f *field) map[string]any {
	length := f.Length
	if f.Type == "reference" || f.Type == "id" {
		length = 18
	}
	var relationship any
	if f.Rel != "" {
		relationship = f.Rel
	}
	return map[string]any{
		"name": f.Name, "label": label(f.Name), "type": f.Type, "length": length, "byteLength": length * 3,
		"createable": f.is('C') && !o.ReadOnly, "updateable": f.is('U') && !o.ReadOnly,
		"nillable": f.is('N') && f.Type != "boolean", "defaultedOnCreate": f.is('D') || f.Default != nil || f.Type == "boolean",
		"defaultValue": f.Default, "filterable": f.is('F'), "sortable": f.is('F'), "groupable": f.is('F') && f.Type != "datetime",
		"idLookup": f.is('I'), "externalId": f.is('X'), "unique": f.is('Q'), "caseSensitive": f.is('S'),
		"restrictedPicklist": f.is('R'), "picklistValues": picklistValues(f), "dependentPicklist": false,
		"referenceTo": slices.Concat([]string{}, f.To), "relationshipName": relationship, "polymorphicForeignKey": f.polymorphic(),
		"cascadeDelete": f.is('M'), "writeRequiresMasterRead": f.is('M'), "autoNumber": f.is('A'), "calculated": false,
		"custom": f.custom(), "nameField": f == o.nameField() && f.Name != "Id", "permissionable": f.is('C'),
		"precision": map[bool]int{true: 18}[f.Type == "double"], "scale": 0, "digits": map[bool]int{true: 9}[f.Type == "int"],
		"soapType": soapType(f),
	}
}

func picklistValues(f *field) []any {
	out := []any{}
	for _, v := range f.Values {
		out = append(out, map[string]any{"active": true, "defaultValue": v == f.Default, "label": v, "validFor": nil, "value": v})
	}
	return out
}

func soapType(f *field) string {
	switch f.Type {
	case "id", "reference":
		return "tns:ID"
	case "datetime":
		return "xsd:dateTime"
	case "boolean", "double", "int", "date":
		return "xsd:" + f.Type
	}
	return "xsd:string"
}

func (s *Server) children(parent *object) []any {
	out := []any{}
	for _, o := range s.schema.objects {
		for _, f := range o.Fields {
			if slices.Contains(f.To, parent.Name) {
				out = append(out, map[string]any{"childSObject": o.Name, "field": f.Name, "cascadeDelete": f.is('M'),
					"relationshipName": nil, "deprecatedAndHidden": false, "restrictedDelete": false})
			}
		}
	}
	return out
}

func (s *Server) recordTypeInfos(o *object) []any {
	out := []any{}
	for _, r := range s.store.live("RecordType") {
		if r.values["SobjectType"] == o.Name {
			out = append(out, map[string]any{"recordTypeId": r.id, "name": r.values["Name"], "developerName": r.values["DeveloperName"],
				"active": true, "available": true, "defaultRecordTypeMapping": r.values["IsPersonType"] == true, "master": false})
		}
	}
	return out
}
