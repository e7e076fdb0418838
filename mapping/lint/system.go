package lint

import (
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"refbridge/config/pattern"
	"refbridge/fhir"
	"refbridge/mapping"
)

// systemsOfNHS are systems that identifiers and codes of the NHS have (https://simplifier.net/guide/nhsdigital, NHS e-RS A005), with
// those of the same form that they could be taken for.
func systemsOfNHS(sets *codeSets) []string {
	out := []string{fhir.SystemNHSNumber, fhir.SystemNHSNumberSTU3, fhir.SystemUBRN, mapping.SystemSNOMED, "https://dmd.nhs.uk"}
	for _, name := range strings.Fields("ods-organization-code ods-site-code sds-user-id sds-role-profile-id ers-service ers-request-id") {
		out = append(out, "https://fhir.nhs.uk/Id/"+name, "http://fhir.nhs.net/Id/"+name)
	}
	for _, name := range strings.Fields("gmc-number gmp-number nmc-number gdc-number goc-number gphc-number hcpc-number din-number") {
		out = append(out, "https://fhir.hl7.org.uk/Id/"+name)
	}
	for system := range sets.bySystem {
		if strings.HasPrefix(system, "https://fhir.nhs.uk/") {
			out = append(out, system)
		}
	}
	slices.Sort(out)
	return out
}

// address is a URL that stands alone or in quotes.
var address = pattern.MustOnce(`(?:^|['"])(https?://[^'"\s]+)(?:$|['"])`)

// systems warns of systems that are written almost like one of the NHS: they match nothing, and nobody is told.
func (l *linter) systems(s *sourceText) {
	known := systemsOfNHS(l.sets)
	for _, n := range s.scalars {
		for _, m := range address().FindAllStringSubmatchIndex(n.Value, -1) {
			url := n.Value[m[2]:m[3]]
			if slices.Contains(known, url) {
				continue
			}
			if hint := mapping.Nearest(url, known); hint != "" {
				l.warn("unknown-system", l.within(s, n, m[2]), "", mapping.ShowSystem(url)+" is no system of the NHS that refbridge knows", hint)
			}
		}
	}
}

// within gives the place of a byte of a text.
func (l *linter) within(s *sourceText, n *yaml.Node, at int) mapping.Place {
	before := strings.Split(n.Value[:at], "\n")
	return l.inside(mapping.Place{File: s.name, Line: n.Line, Column: n.Column}, len(before), len([]rune(before[len(before)-1]))+1)
}
