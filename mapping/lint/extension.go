package lint

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"refbridge/fhir/fhirpath"
	"refbridge/mapping"
)

// Extensions of NHS e-RS whose codes are known (ers/codes.go).
const (
	extensionState    = "https://fhir.nhs.uk/StructureDefinition/Extension-eRS-ServiceRequest-State"
	extensionPriority = "https://fhir.nhs.uk/StructureDefinition/Extension-ServiceRequest-Priority"
)

// extension is what an extension holds: a value of a type, or parts with values of these types. An empty type is not known.
type extension struct {
	value string
	parts map[string]string
}

// ersExtensions are the extensions that a referral of e-RS has once it is R4.
func ersExtensions() map[string]extension {
	out := map[string]extension{
		extensionState:          {parts: map[string]string{"state": "Coding", "reason": "Coding", "comments": "string"}},
		extensionPriority:       {value: "Coding"},
		"urn:refbridge:derived": {parts: map[string]string{"element": "string", "from": "string"}},
	}
	for _, name := range []string{"eReferralPathwayStart", "ClinicalInfoFirstSubmitted", "ClinicalInfoLastUpdated",
		"Commissioning-Rule-Org", "PatientAdditionalRequirement", "AvailabilityStatus", "AttachedBy",
		"AttachedByOrganisation", "AttachedOnBehalfOf"} {
		out["https://fhir.nhs.uk/STU3/StructureDefinition/Extension-eRS-"+name+"-1"] = extension{}
	}
	return out
}

// urlsAt gives the URLs of the extension that a way ends at, from outside in.
func urlsAt(way []string) []string {
	way = slices.DeleteFunc(slices.Clone(way), counts)
	var out []string
	for i := len(way) - 1; i > 0 && way[i-1] == "extension"; i -= 2 {
		url, ok := strings.CutPrefix(way[i], "where(url = '")
		if !ok {
			break
		}
		out = append(out, strings.TrimSuffix(url, "')"))
	}
	slices.Reverse(out)
	return out
}

// extensions warns of extensions under the URLs of NHS e-RS and of refbridge that no referral of e-RS carries, of parts that they do
// not have, and of values of another type.
func (l *linter) extensions(e *expander, p *mapping.Path) {
	for _, x := range p.Expr.Extensions() {
		urls := slices.Concat(e.extensionOf(x.Variable), x.URLs)
		if len(urls) == 0 || !strings.HasPrefix(urls[0], "urn:refbridge:") && !strings.HasPrefix(urls[0], "https://fhir.nhs.uk/") {
			continue
		}
		known := ersExtensions()
		holds, ok := known[urls[0]]
		switch {
		case !ok && len(urls) == 1 && x.Step == "":
			l.warn("unknown-extension", l.partOf(p, x.At), "", "no referral of e-RS carries the extension "+mapping.ShowSystem(urls[0]),
				mapping.Nearest(urls[0], slices.Sorted(maps.Keys(known))))
		case !ok:
		case x.Step == "" && len(urls) == 2:
			l.part(p, x, holds)
		case x.Step != "" && len(urls) <= 2:
			l.extensionValue(p, x, urls, holds)
		}
	}
}

// extensionOf gives the URLs of the extension that a named value is; none where it is none.
func (e *expander) extensionOf(name string) []string {
	ways := e.lets["%"+name]
	if len(ways) != 1 {
		return nil
	}
	return urlsAt(ways[0])
}

// part warns of a part that an extension does not have.
func (l *linter) part(p *mapping.Path, e fhirpath.Extension, x extension) {
	parts := slices.Sorted(maps.Keys(x.parts))
	name := e.URLs[len(e.URLs)-1]
	if slices.Contains(parts, name) {
		return
	}
	hint := mapping.Nearest(name, parts)
	if hint == "" && len(parts) > 0 {
		hint = "it has " + strings.Join(parts, ", ")
	}
	l.warn("unknown-extension", l.partOf(p, e.At), "", fmt.Sprintf("the extension has no part %q", mapping.Short(name)), hint)
}

// extensionValue warns of a value that an extension, or a part of one, does not have.
func (l *linter) extensionValue(p *mapping.Path, e fhirpath.Extension, urls []string, x extension) {
	if len(urls) == 1 && x.parts != nil {
		parts := slices.Sorted(maps.Keys(x.parts))
		l.warn("unknown-extension", l.partOf(p, e.At), "", "the extension has no value, it has parts: "+strings.Join(parts, ", "),
			fmt.Sprintf("write .extension('%s').value", parts[len(parts)-1]))
		return
	}
	typ := x.value
	if len(urls) == 2 {
		typ = x.parts[urls[1]]
	}
	read := strings.TrimSuffix(strings.TrimPrefix(strings.TrimPrefix(e.Step, "value"), "ofType("), ")")
	if typ != "" && read != "" && !strings.EqualFold(strings.TrimPrefix(read, "FHIR."), typ) {
		l.warn("unknown-extension", l.partOf(p, e.At), "", fmt.Sprintf("the extension has %s, never %s", withArticle(typ), withArticle(mapping.Short(read))), "write .value")
	}
}
