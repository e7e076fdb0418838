package review

import (
	"fmt"
	"strings"

	"refbridge/mapping"
)

// back is a rule of the way back, in words.
type back struct {
	Source, Purpose, When, While, Action, Code, Place string
	Parameters                                        []string
	Mark                                              mark
}

func backOf(b *mapping.BackRule) back {
	out := back{Source: map[string]string{"ers": "NHS e-RS", "fhir": "FHIR R4 servers"}[b.Dialect], Purpose: b.Purpose,
		Code: b.Name, Place: b.FileLine(), Action: operationWords(b.Name)}
	out.When = listed(b.Changed, "or") + " is changed in Salesforce"
	if len(b.To) > 0 {
		out.When = b.Changed[0] + " becomes " + listed(valueTexts(b.To), "or") + " in Salesforce"
	}
	var while []string
	for _, c := range b.While {
		while = append(while, c.Field+" was "+listed(valueTexts(c.Values), "or"))
	}
	out.While = strings.Join(while, " and ")
	for i := range b.Parameters {
		out.Parameters = append(out.Parameters, parameterWords(&b.Parameters[i]))
	}
	return out
}

// valueTexts gives values as people read them; a checkbox that is not set is compared as an empty text.
func valueTexts(values []string) []string {
	out := make([]string, len(values))
	for i, v := range values {
		switch v {
		case "":
			out[i] = "not ticked or empty"
		case "true":
			out[i] = "ticked"
		default:
			out[i] = v
		}
	}
	return out
}

func operationWords(name string) string {
	switch name {
	case "$ers.acceptReferral":
		return "accept the referral (A013)"
	case "$ers.recordReviewOutcome":
		return "record the outcome of the review (A028)"
	case "$ers.cancelReferral":
		return "cancel the referral for good (A036)"
	}
	return "update the resource, if nobody changed it meanwhile"
}

func parameterWords(p *mapping.BackParameter) string {
	if p.Code != "" {
		return p.Name + ": always " + p.Code + codeSystemWords(p) + purposeWords(p)
	}
	s := p.Name + ": what stands in " + listed(p.From, "and")
	if p.ValuesName != "" {
		s += ", translated by " + p.ValuesName + codeSystemWords(p)
	}
	if p.Length > 0 {
		s += fmt.Sprintf(", at most %d characters", p.Length)
	}
	switch {
	case p.Required:
		s += "; without it nothing is sent and the change is held"
	case len(p.RequiredFor) > 0:
		var needs []string
		for _, c := range p.RequiredFor {
			needs = append(needs, c.Field+" is "+listed(valueTexts(c.Values), "or"))
		}
		s += "; needed where " + strings.Join(needs, " and ")
	}
	if len(p.Forward) > 0 {
		var made []string
		for _, f := range p.Forward {
			made = append(made, f.Field+" is made by "+f.ValuesName)
		}
		s += "; not sent where the source could not see a difference (" + listed(made, "and") + ")"
	}
	return s + purposeWords(p)
}

// codeSystemWords names the code system that the source is told.
func codeSystemWords(p *mapping.BackParameter) string {
	if p.System == "" {
		return ""
	}
	return ", as a code of " + p.System
}

func purposeWords(p *mapping.BackParameter) string {
	if p.Purpose == "" {
		return ""
	}
	return ". " + p.Purpose
}
