package source

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"refbridge/bridge"
	"refbridge/fhir"
	"refbridge/fhir/rest"
	"refbridge/ledger"
)

// FHIRServer is any FHIR R4 server as a source: ServiceRequest and Appointment, found by _lastUpdated.
type FHIRServer struct {
	Client   *rest.Client
	Base     string // by which the server names itself, without a slash at its end: patients are read from there and nowhere else
	Now      func() time.Time
	From     time.Time    // the first poll's lower bound; zero = everything
	PageSize int          // how many records a page is asked for; 0 = 100
	Logger   *slog.Logger // nil = silent

	most int // records of a page that the server makes in time, as far as is known; 0 = not known
}

// patientReference returns the reference to the Patient that a referral is about, or whose appointment it is; empty where there is
// none. Of several participants who are Patients it is the first.
func patientReference(r fhir.Resource) string {
	if r.Type() != "Appointment" {
		return r.Root().Get("subject").Get("reference").Text()
	}
	for p := range r.Root().Get("participant").Items() {
		text := p.Get("actor").Get("reference").Text()
		if ref, err := fhir.ParseReference(text); err == nil && ref.Type == "Patient" {
			return text
		}
	}
	return ""
}

// patientOn returns the Patient of a record, where it came on the same page. Where its reference leads to another server, or to
// two resources, nothing is taken: Normalise finds out why.
func patientOn(page *fhir.Resolver, focus fhir.Resource) fhir.Resource {
	text := patientReference(focus)
	if text == "" || text[0] == '#' {
		return fhir.Resource{}
	}
	if patient, err := page.Resolve(focus, text); err == nil && patient.Type() == "Patient" {
		return patient
	}
	return fhir.Resource{}
}

// observed names what was seen: the referral's version and, where its patient came with it, the patient's too, so that
// new demographics under an unchanged referral are a version of their own.
func observed(focus, patient fhir.Resource) fhir.Reference {
	ref := focus.Reference()
	if ref.Version == "" {
		return ref
	}
	beside := ""
	if patient.Exists() {
		beside = patientVersion(patient)
	}
	ref.Version = ledger.WithPatient(ref.Version, beside)
	return ref
}

// collection wraps a resource and what it refers to, each as received, under its fullUrl: that of the page, else what this
// server reads it by. The modifiers of the page and of the entries that they came in go with them.
func (f *FHIRServer) collection(page []byte, focus, related fhir.Resource) []byte {
	b := append([]byte(`{"resourceType":"Bundle","type":"collection"`), page...)
	b = append(b, `,"entry":[`...)
	b = f.appendEntry(b, focus)
	if related.Exists() {
		b = f.appendEntry(append(b, ','), related)
	}
	return append(b, "]}"...)
}

func (f *FHIRServer) appendEntry(b []byte, r fhir.Resource) []byte {
	at := r.Reference().Current()
	at.Base = f.Base
	b = append(b, `{"fullUrl":`...)
	b = fhir.AppendJSONString(b, cmp.Or(r.FullURL(), at.String()))
	if r.Root().Name() == "resource" {
		b = fhir.AppendModifiers(b, r.Root().Parent(), "resource", "fullUrl")
	}
	b = append(b, `,"resource":`...)
	return append(append(b, r.Raw()...), '}')
}

// Read reads the resource, and the patient that a referral is about.
func (f *FHIRServer) Read(ctx context.Context, ref fhir.Reference) (fhir.Reference, []byte, error) {
	r, err := f.Client.Read(ctx, ref.Current())
	if err != nil {
		return fhir.Reference{}, nil, err
	}
	related, err := f.subject(ctx, r)
	return observed(r, related), f.collection(nil, r, related), err
}

// subject reads the Patient of a record from this server. It reads none where the tables will find it without: a contained one,
// or an NHS number beside a reference that leads nowhere. An appointment goes on without, as its referral has one.
func (f *FHIRServer) subject(ctx context.Context, r fhir.Resource) (fhir.Resource, error) {
	subject, err := f.wanted(r)
	if err == nil && subject.ID != "" {
		var patient fhir.Resource
		if patient, err = f.patient(ctx, subject); err == nil {
			return patient, nil
		}
	}
	if err != nil && f.without(r, err) {
		return fhir.Resource{}, nil
	}
	return fhir.Resource{}, err
}

// without reports whether a record is carried though its Patient cannot be had.
func (f *FHIRServer) without(r fhir.Resource, err error) bool {
	return leadsNowhere(err) && namedByNumber(r) || r.Type() == "Appointment" && (leadsNowhere(err) || errors.Is(err, bridge.ErrPatientURL))
}

// wanted returns the Patient of a record that is to be read from this server; the zero reference where there is none to read.
func (f *FHIRServer) wanted(r fhir.Resource) (fhir.Reference, error) {
	subject, err := fhir.ParseReference(patientReference(r))
	if err != nil || subject.Type != "Patient" {
		return fhir.Reference{}, nil
	}
	here := fhir.NewResolver(f.Base)
	if !here.Own(r, subject) || !fhir.SameBase(here.Home(r), f.Base) {
		return fhir.Reference{}, fhir.ErrForeign
	}
	if _, err := fhir.ParseNHSNumber(subject.ID); err == nil {
		return fhir.Reference{}, bridge.ErrPatientURL
	}
	return subject, nil
}

// patient reads a Patient of this server.
func (f *FHIRServer) patient(ctx context.Context, subject fhir.Reference) (fhir.Resource, error) {
	patient, err := f.Client.Read(ctx, subject.Current().Local())
	var refused *rest.Error
	if errors.As(err, &refused) && (refused.Status == http.StatusNotFound || refused.Status == http.StatusGone) {
		return fhir.Resource{}, fhir.ErrUnresolved
	}
	if err == nil && subject.Version != "" && patient.VersionID() != subject.Version {
		return fhir.Resource{}, fhir.ErrVersion
	}
	return patient, err
}

// leadsNowhere reports whether an error says that a reference has no resource.
func leadsNowhere(err error) bool {
	return errors.Is(err, fhir.ErrForeign) || errors.Is(err, fhir.ErrVersion) || errors.Is(err, fhir.ErrUnresolved)
}

// namedByNumber reports whether a referral names its patient by NHS number beside the reference.
func namedByNumber(r fhir.Resource) bool {
	id := r.Root().Get("subject").Get("identifier")
	system := id.Get("system").Text()
	return (system == fhir.SystemNHSNumber || system == fhir.SystemNHSNumberSTU3) && id.Get("value").Exists()
}

// Normalise returns the resources of a collection: the first is the focus. It reads nothing: what the focus refers to was read with
// it, by the poll or by Read.
func (f *FHIRServer) Normalise(_ context.Context, body []byte) (fhir.Bundle, bool, error) {
	r, err := fhir.Parse(body)
	if err != nil {
		return fhir.Bundle{}, false, err
	}
	var all []fhir.Resource
	for e := range r.Root().Get("entry").Items() {
		if one, err := fhir.ResourceAt(e.Get("resource")); err == nil {
			all = append(all, one)
		}
	}
	if len(all) == 0 {
		return fhir.Bundle{}, false, fmt.Errorf("%w: an empty collection", fhir.ErrNotResource)
	}
	b := fhir.Bundle{Focus: all[:1], Related: all[1:]}
	if len(b.Related) == 0 {
		subject, err := f.wanted(b.Focus[0])
		if err == nil && subject.ID != "" {
			err = fhir.ErrUnresolved
		}
		if err != nil && !f.without(b.Focus[0], err) {
			return fhir.Bundle{}, false, err
		}
	}
	b.Resolver = fhir.NewResolver(f.Base, b.Focus, b.Related)
	return b, false, nil
}

// Invoke carries a status back: read, change, PUT with If-Match on the version that was decided on.
func (f *FHIRServer) Invoke(ctx context.Context, op fhir.Operation) (fhir.Reference, error) {
	if op.Name != fhir.OperationUpdate || len(op.Parameters) == 0 {
		return fhir.Reference{}, fmt.Errorf("operation %s is not one that a FHIR server has here", op.Name)
	}
	r, err := f.Client.Read(ctx, op.On.Current())
	if err != nil {
		return fhir.Reference{}, err
	}
	body := r.Raw()
	for _, p := range op.Parameters {
		body = setMember(body, p.Name, fhir.AppendJSONString(nil, p.Code))
	}
	on := op.On
	on.Version = ledger.OwnVersion(on.Version) // what If-Match needs
	return f.Client.Update(ctx, on, body)
}

// setMember replaces or adds one top-level member of a JSON object and leaves every other byte as it is.
func setMember(object []byte, name string, value []byte) []byte {
	var d fhir.Doc
	if d.Parse(object) != nil {
		return object
	}
	out := []byte{'{'}
	found := false
	for m := range d.Root().Members() {
		if len(out) > 1 {
			out = append(out, ',')
		}
		out = append(fhir.AppendJSONString(out, m.Name()), ':')
		if m.Name() == name {
			out, found = append(out, value...), true
			continue
		}
		out = append(out, m.Raw()...)
	}
	if !found {
		out = append(append(append(out, ','), fhir.AppendJSONString(nil, name)...), ':')
		out = append(out, value...)
	}
	return append(out, '}')
}

// Deleted reports whether the newest entry of a record's history is its deletion.
func (f *FHIRServer) Deleted(ctx context.Context, ref fhir.Reference) (bool, error) {
	return f.Client.Deleted(ctx, ref.Current())
}
