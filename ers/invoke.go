package ers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"unicode/utf8"

	"refbridge/fhir"
)

// The operations that an application may invoke, each after NHS approved the use case.
const (
	AcceptReferral      = "$ers.acceptReferral"      // A013, no parameters
	RecordReviewOutcome = "$ers.recordReviewOutcome" // A028: reviewPriority, reviewOutcome, reviewComments
	CancelReferral      = "$ers.cancelReferral"      // A036: cancellationReason, cancellationComments
)

// maxComment is the length of a comment that e-RS takes, in characters.
const maxComment = 2000

// operation is what e-RS wants to know for one write, in the order of its published examples.
type operation struct {
	call    string
	profile string
	inputs  []input
}

type input struct {
	name     string
	set      string // absolute system of a coded value; a bare name is a set of the environment itself; "" is a text
	required bool
	codes    []string // where e-RS lists a code but does not take it from an application
}

func operationFor(name string) (operation, bool) {
	const stu3 = "https://fhir.nhs.uk/STU3/"
	switch name {
	case AcceptReferral:
		return operation{call: "A013 accept referral"}, true
	case RecordReviewOutcome:
		return operation{
			call: "A028 record review outcome", profile: stu3 + "StructureDefinition/eRS-RecordReviewOutcome-Parameters-1",
			inputs: []input{
				{name: "reviewPriority", set: stu3 + "CodeSystem/eRS-Priority-1"},
				{name: "reviewOutcome", set: stu3 + "CodeSystem/eRS-ReviewOutcome-1", required: true,
					codes: []string{"RETURN_TO_REFERRER_WITH_ADVICE", "ACCEPT_REFER_BOOK_LATER"}},
				{name: "reviewComments", required: true},
			},
		}, true
	case CancelReferral:
		return operation{
			call: "A036 cancel referral", profile: stu3 + "StructureDefinition/eRS-CancelReferral-Request-Parameters-1",
			inputs: []input{
				{name: "cancellationReason", set: "REFERRAL-CANCELLATION-REASON", required: true},
				{name: "cancellationComments"},
			},
		}, true
	}
	return operation{}, false
}

// Invoke performs one of the three write operations on the version that op.On names (If-Match) and gives the referral
// with its new version. It is sent once: a conflict (409), a lock (423) or an Ambiguous *Error is the caller's to
// decide after a fresh Read. Parameters are checked before anything is sent; the code systems are set here, that of a
// cancellation reason is the environment's own.
func (c *Client) Invoke(ctx context.Context, op fhir.Operation) (fhir.Reference, error) {
	known, ok := operationFor(op.Name)
	if !ok {
		return fhir.Reference{}, errors.New("invoke: not an operation that e-RS offers to applications")
	}
	if err := versioned(op.On); err != nil {
		return fhir.Reference{}, fmt.Errorf("%s: %w", op.Name, err)
	}
	body, err := known.body(op.Parameters, c.base)
	if err != nil {
		return fhir.Reference{}, fmt.Errorf("%s: %w", op.Name, err)
	}
	q := call{
		name:   known.call,
		method: http.MethodPost,
		path:   "/STU3/ReferralRequest/" + op.On.ID + "/" + op.Name,
		body:   body,
		match:  op.On.ETag(),
		write:  true,
	}
	a, err := c.do(ctx, q)
	if err != nil {
		return fhir.Reference{}, err
	}
	// A crash here leaves the change made and our record of it missing: the intent stays open and is probed by a Read.
	r, err := q.updated(a, op.On.ID)
	if err != nil {
		return fhir.Reference{}, err
	}
	return r.Reference(), nil
}

// updated reads the referral out of a write's answer: the body itself with an ETag, or for A036, which sends no ETag,
// the parameter updatedReferralRequest.
func (q call) updated(a answer, ubrn string) (fhir.Resource, error) {
	if r, err := fhir.Parse(a.body); err == nil && r.Type() == "Parameters" {
		for p := range r.Root().Get("parameter").Items() {
			if p.Get("name").Text() == "updatedReferralRequest" {
				a.body = p.Get("resource").Raw()
			}
		}
	}
	r, err := q.referral(a, ubrn)
	if err != nil {
		return fhir.Resource{}, err
	}
	return q.versioned(a, r)
}

type codingJSON struct {
	System string `json:"system"`
	Code   string `json:"code"`
}

type parameterJSON struct {
	Name   string      `json:"name"`
	Coding *codingJSON `json:"valueCoding,omitempty"`
	Text   string      `json:"valueString,omitempty"`
}

// body gives the Parameters resource, nil for an operation without any.
func (o operation) body(given []fhir.Parameter, base string) ([]byte, error) {
	for _, g := range given {
		if !slices.ContainsFunc(o.inputs, func(i input) bool { return i.name == g.Name }) {
			return nil, errors.New("a parameter that the operation does not have")
		}
	}
	if o.profile == "" {
		return nil, nil
	}
	var out []parameterJSON
	for _, i := range o.inputs {
		at := slices.IndexFunc(given, func(g fhir.Parameter) bool { return g.Name == i.name })
		if at < 0 && i.required {
			return nil, fmt.Errorf("%s is missing", i.name)
		}
		if at < 0 {
			continue
		}
		p, err := i.parameter(given[at], base)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", i.name, err)
		}
		out = append(out, p)
	}
	return json.Marshal(struct {
		ResourceType string              `json:"resourceType"`
		Meta         map[string][]string `json:"meta"`
		Parameter    []parameterJSON     `json:"parameter"`
	}{"Parameters", map[string][]string{"profile": {o.profile}}, out})
}

func (i input) parameter(g fhir.Parameter, base string) (parameterJSON, error) {
	if i.set == "" {
		text := g.Text.Reveal()
		if n := utf8.RuneCountInString(text); n == 0 || n > maxComment {
			return parameterJSON{}, fmt.Errorf("%d characters, of 1 to %d", n, maxComment)
		}
		return parameterJSON{Name: i.name, Text: text}, nil
	}
	if g.Code == "" || i.codes != nil && !slices.Contains(i.codes, g.Code) {
		return parameterJSON{}, errors.New("not a code that e-RS takes here")
	}
	system := i.set
	if dynamicSet(system) {
		system = base + "/STU3/CodeSystem/" + system
	}
	return parameterJSON{Name: i.name, Coding: &codingJSON{System: system, Code: g.Code}}, nil
}
