package rest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// What a client asks for that only reads, and what it needs beside that to send changes back: SMART App Launch, version 1
// (https://hl7.org/fhir/smart-app-launch/1.0.0/scopes-and-launch-context/).
const (
	ReadScope  = "system/ServiceRequest.read system/Appointment.read system/Patient.read"
	writeScope = "system/ServiceRequest.write system/Appointment.write"
)

// The same in version 2, which names the interactions: c, r, u, d, s
// (https://hl7.org/fhir/smart-app-launch/scopes-and-launch-context.html).
const (
	readScope2   = "system/ServiceRequest.rs system/Appointment.rs system/Patient.rs"
	updateScope2 = "system/ServiceRequest.rus system/Appointment.rus system/Patient.rs"
)

// Scope returns what to ask for: in SMART version 2 or 1, with changes that go back or without.
func Scope(v2, update bool) string {
	switch {
	case v2 && update:
		return updateScope2
	case v2:
		return readScope2
	case update:
		return ReadScope + " " + writeScope
	}
	return ReadScope
}

// ErrScope is wrapped where the server has granted less than a call needs. Nothing was sent.
var ErrScope = errors.New("the server granted no such access")

// grants are the interactions that the server granted, by resource type or "*". nil = the server did not say, and all calls are
// tried.
type grants map[string]string

// readGrants reads the scope of a token's answer. Scopes of other kinds (openid, user/…) say nothing about our calls.
func readGrants(scope string) grants {
	out := grants{}
	for one := range strings.FieldsSeq(scope) {
		rest, ours := strings.CutPrefix(one, "system/")
		typ, access, found := strings.Cut(rest, ".")
		access, _, limited := strings.Cut(access, "?")
		if !ours || !found || limited && access == "" {
			continue
		}
		switch access {
		case "read":
			access = "rs"
		case "write":
			access = "cud"
		case "*":
			access = "cruds"
		}
		out[typ] += access
	}
	return out
}

func (g grants) allow(typ string, interaction byte) bool {
	return g == nil || strings.IndexByte(g[typ]+g["*"], interaction) >= 0
}

// lacks returns what of a scope that was asked for is not granted, in the words of the scope.
func (g grants) lacks(asked string) []string {
	var out []string
	for one := range strings.FieldsSeq(asked) {
		for typ, access := range readGrants(one) {
			if one == "system/"+typ+".write" {
				access = "u" // changes are all that we send
			}
			missing := slices.ContainsFunc([]byte(access), func(c byte) bool { return !g.allow(typ, c) })
			if missing {
				out = append(out, one)
			}
		}
	}
	return out
}

// scopeNames are the scopes that allow an interaction, in both versions.
func scopeNames(typ string, interaction byte) string {
	v1 := map[byte]string{'u': "write"}[interaction]
	if v1 == "" {
		v1 = "read"
	}
	return fmt.Sprintf("system/%s.%s (SMART 1) or system/%s.%c (SMART 2)", typ, v1, typ, interaction)
}

// permit refuses a call that needs more than was granted, so that the reason is told here and not as a bare 403 of the server.
func (g grants) permit(r request) error {
	if r.typ == "" || g.allow(r.typ, r.interaction) {
		return nil
	}
	why := fmt.Errorf("%w: ask its administrator to allow this client %s", ErrScope, scopeNames(r.typ, r.interaction))
	return &Error{Call: r.call, Status: 403, cause: why, change: r.interaction == 'u'}
}
