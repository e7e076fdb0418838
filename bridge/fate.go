package bridge

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"refbridge/ers"
	"refbridge/fhir"
	"refbridge/fhir/rest"
	"refbridge/ledger"
	"refbridge/mapping"
	"refbridge/sfdc"
	"refbridge/wire"
)

// The codes of reasons: stable, for filters and alarms. docs/fates.md explains each to an operator.
const (
	CodePatientIdentity = "patient-identity"      // missing, malformed or wrong NHS number
	CodeForeign         = "reference-foreign"     // a reference to a resource of another server
	codeAmbiguous       = "reference-ambiguous"   // a reference that fits two resources
	CodeVersion         = "reference-version"     // a reference to a version that did not come along
	CodeUnresolved      = "reference-unresolved"  // a reference that leads to nothing that came along
	CodePatientMissing  = "patient-not-found"     // no Account for the NHS number
	CodePatientTwice    = "patient-found-twice"   // two Accounts for the NHS number
	CodePatientChanged  = "patient-changed"       // a known referral came with another NHS number
	codeListedPatient   = "worklist-patient"      // a worklist and the referral name different patients
	CodeUnknownCode     = "unknown-code"          // a code that no table lists
	codeTwoServers      = "two-servers"           // two servers' records with one Type/id in one file
	CodeModifier        = "unknown-modifier"      // a modifier extension or implicitRules that no table names
	CodeMapping         = "mapping"               // required value missing, too long, malformed
	CodeUnreadable      = "unreadable"            // the source's record cannot be read or normalised
	CodeParent          = "parent"                // the parent record is not there
	CodeConflict        = "both-sides-changed"    // a shared field changed on both sides
	CodeDeleted         = "deleted-in-salesforce" // a person deleted the record: it is not recreated
	CodeSourceGone      = "not-visible"           // 404 at the source
	CodeSourceDeleted   = "deleted-at-source"     // the source's own word: it has deleted the record
	CodeRelationship    = "no-relationship"       // the source refuses this record to this organisation
	CodePatientError    = ledger.CodePatientError
	CodeSource          = "source-unavailable"    // network, 5xx
	codeTransient       = "salesforce-transient"  // locks, 5xx
	codeLocked          = "record-locked"         // approval lock
	CodeData            = "salesforce-validation" // validation rule, picklist, length, missing field
	CodePermission      = "salesforce-permission" // object or field access
	codeDuplicateRule   = "salesforce-duplicates" // a duplicate rule of the org
	codeDuplicateKey    = "salesforce-key-taken"  // our key exists already: adopted after a check
	CodeUnknownOutcome  = "outcome-unknown"       // the write may or may not have happened
	CodeInDoubt         = "in-doubt"              // done, as far as can be seen; an earlier write may still take effect
	CodeUnclearValue    = "value-in-doubt"        // what Salesforce has is ours or a person's
	codeUnknownError    = "salesforce-unknown"    // a code that nobody has classified
	CodeNotRead         = "not-read"              // only named by the source so far (shown by plan, never stored)
	maxAttempts         = 8                       // in all, over more than 24 hours
	lockLimit           = 24 * time.Hour          // how long an approval lock is waited for
	lockWait            = 15 * time.Minute        // between two tries at a locked record
	NextRun             = time.Minute             // "looked for again each run"
	NotVisibleWait      = 4 * time.Hour           // between two looks at a record that the source does not show
)

// ErrHalted ends a run early: not one record failed but the whole lane has to wait. The records keep their place and
// no attempt is counted. The text says what to do.
var ErrHalted = errors.New("lane halted")

// Verdict is what one failure means for its record, or for the lane.
type Verdict struct {
	Fate   ledger.Fate
	Reason ledger.Reason
	Next   time.Time
	Halt   error // wraps ErrHalted
}

// Settlement writes a verdict down for a record that got no further than its source.
func (v Verdict) Settlement(w ledger.Work) ledger.Settlement {
	st := ledger.Settlement{Source: w.Source, Ref: w.Ref, Fate: v.Fate, Reason: v.Reason, Next: v.Next}
	if st.Fate == ledger.Held && st.Next.IsZero() {
		st.Next = ledger.Never() // until the tables, the source or an operator change something
	}
	return st
}

// backoff gives the wait after attempt n (1-based): eight attempts spread over more than 24 hours.
func backoff(n int) time.Duration {
	waits := []time.Duration{time.Minute, 5 * time.Minute, 15 * time.Minute, time.Hour, 3 * time.Hour, 8 * time.Hour, 13 * time.Hour}
	return waits[min(max(n, 1), len(waits))-1]
}

// tries counts the attempts that ended with a reason; what waited for something else has not failed at this.
func tries(w ledger.Work, code string) int {
	if w.Reason.Code != code {
		return 0
	}
	return w.Attempts
}

// Again holds a record for the next attempt, or ends it when the attempts are used up.
func Again(w ledger.Work, r ledger.Reason, now time.Time) Verdict {
	n := tries(w, r.Code) + 1
	if n >= maxAttempts {
		r.Text = fmt.Sprintf("%s; given up after %d attempts", r.Text, n)
		return Verdict{Fate: ledger.Dead, Reason: r}
	}
	return Verdict{Fate: ledger.Held, Reason: r, Next: now.Add(backoff(n))}
}

// daily holds a record until its cause changes (tables, describe, an operator), and tries it once a day meanwhile: nothing tells when an
// org's validation rule is switched off.
func daily(w ledger.Work, r ledger.Reason, now time.Time) Verdict {
	v := Again(w, r, now)
	if v.Fate == ledger.Held {
		v.Next = now.Add(24 * time.Hour)
	}
	return v
}

func halt(format string, a ...any) Verdict {
	return Verdict{Halt: fmt.Errorf("%w: "+format, append([]any{ErrHalted}, a...)...)}
}

// OfTarget judges a failure of Salesforce for one record.
func OfTarget(err error, w ledger.Work, now time.Time) Verdict {
	var e *sfdc.Error
	if !errors.As(err, &e) {
		return Again(w, ledger.Reason{Code: CodeUnknownOutcome, Text: "Salesforce could not be reached"}, now)
	}
	r := ledger.Reason{Text: e.Error(), Field: strings.Join(e.Fields, " ")}
	switch e.Class() {
	case sfdc.Limit:
		return halt("the daily calls of Salesforce are used up to the reserve; it goes on when the allocation frees (%w)", e)
	case sfdc.Maintenance:
		return halt("Salesforce is in maintenance; nothing was counted against the records (%w)", e)
	case sfdc.Auth:
		return halt("Salesforce refuses the log-in; check the External Client App and its run-as user (%w)", e)
	}
	if e.Ambiguous() {
		// The upsert is keyed, so a late commit cannot duplicate: the next run reads the key and compares.
		r.Code = CodeUnknownOutcome
		v := Again(w, r, now)
		if v.Fate == ledger.Held {
			v.Fate = ledger.Unknown
		}
		return v
	}
	return ofClass(e, r, w, now)
}

func ofClass(e *sfdc.Error, r ledger.Reason, w ledger.Work, now time.Time) Verdict {
	switch e.Class() {
	case sfdc.Data:
		r.Code = CodeData
		return daily(w, r, now)
	case sfdc.Permission:
		r.Code = CodePermission
		return Again(w, r, now)
	case sfdc.Duplicate:
		r.Code = codeDuplicateRule
		r.Text += "; matches " + strings.Join(e.Matches, ", ")
		return Verdict{Fate: ledger.Dead, Reason: r}
	case sfdc.DuplicateKey:
		r.Code = codeDuplicateKey
		v := Again(w, r, now)
		if v.Fate == ledger.Held {
			v.Next = now.Add(NextRun)
		}
		return v
	case sfdc.Gone:
		r.Code = CodeDeleted
		return Verdict{Fate: ledger.Dead, Reason: r}
	case sfdc.Locked:
		r.Code = codeLocked
		if time.Duration(tries(w, r.Code))*lockWait > lockLimit {
			return Verdict{Fate: ledger.Dead, Reason: r}
		}
		return Verdict{Fate: ledger.Held, Reason: r, Next: now.Add(lockWait)}
	case sfdc.Unknown:
		r.Code = codeUnknownError
		return daily(w, r, now)
	}
	r.Code = codeTransient
	return Again(w, r, now)
}

// OfSource judges a failure to read one record at its source.
func OfSource(err error, w ledger.Work, now time.Time) Verdict {
	var e *ers.Error
	if errors.As(err, &e) {
		return OfERS(e, w, now)
	}
	var f *rest.Error
	if errors.As(err, &f) {
		return ofStatus(f.Status, f, w, now)
	}
	if v, ok := ofReference(err, w, now); ok {
		return v
	}
	if errors.Is(err, ers.ErrOtherPatient) {
		return Verdict{Fate: ledger.Held, Reason: ledger.Reason{Code: codeListedPatient, Text: ers.ErrOtherPatient.Error()}}
	}
	if errors.Is(err, ErrPatientURL) {
		return Verdict{Fate: ledger.Held, Reason: ledger.Reason{Code: CodePatientIdentity, Text: err.Error()}}
	}
	if errors.Is(err, fhir.ErrSyntax) || errors.Is(err, fhir.ErrNotResource) {
		return Again(w, ledger.Reason{Code: CodeUnreadable, Text: err.Error()}, now)
	}
	return Again(w, ledger.Reason{Code: CodeSource, Text: "the source could not be reached"}, now)
}

// ofReference judges a patient who cannot be read because of the reference that a referral names them by.
func ofReference(err error, w ledger.Work, now time.Time) (Verdict, bool) {
	held := func(code, text string) (Verdict, bool) {
		return Verdict{Fate: ledger.Held, Reason: ledger.Reason{Code: code, Text: text}}, true
	}
	switch {
	case errors.Is(err, fhir.ErrForeign):
		return held(CodeForeign, "the referral names a patient of another server, and no patient of this one is taken for them; "+
			"name them by NHS number too, or set base_url to the address that the server calls its own")
	case errors.Is(err, fhir.ErrVersion):
		return held(CodeVersion, "the referral names a version of its patient that is not the server's current one; "+
			"name them by NHS number too, or refer to the Patient without /_history")
	case errors.Is(err, fhir.ErrUnresolved):
		v, ok := held(CodeUnresolved, "the patient that this referral names is not there: the server does not have it, or does not show it; "+
			"the referral itself is there, and waits until its patient is")
		v.Next = now.Add(backoff(tries(w, CodeUnresolved) + 1)) // a patient who is entered last is there in minutes
		return v, ok
	}
	return Verdict{}, false
}

// OfERS judges an error of e-RS.
func OfERS(e *ers.Error, w ledger.Work, now time.Time) Verdict {
	switch {
	case e.SignIn() && e.Status != 401:
		return halt("the sign-in at e-RS failed; no record was asked for, and the next run signs in again (%w)", e)
	case e.Code("PATIENT_ERROR"):
		return PatientError()
	case e.Code("NO_RELATIONSHIP"):
		return Verdict{Fate: ledger.Dead, Reason: ledger.Reason{Code: CodeRelationship,
			Text: "the referral is no longer with this organisation (NO_RELATIONSHIP)"}}
	case e.Code("INVALID_REQUEST_TYPE"):
		return Verdict{Fate: ledger.Dead, Reason: ledger.Reason{Code: CodeRelationship,
			Text: "the UBRN is no active appointment request (INVALID_REQUEST_TYPE)"}}
	}
	return ofStatus(e.Status, e, w, now)
}

// PatientError is the verdict on a record that e-RS will not give out for its patient's sake.
func PatientError() Verdict {
	return Verdict{Fate: ledger.Dead, Reason: ledger.Reason{Code: CodePatientError,
		Text: "e-RS will not give out this patient and asks not to try again (PATIENT_ERROR)"}}
}

func ofStatus(status int, err error, w ledger.Work, now time.Time) Verdict {
	switch {
	case status == 401:
		return halt("the source refuses this application: check its registration and product set (%w)", err)
	case doesNotAnswer(err):
		return halt("the source does not answer; no record was asked for, and the next run asks again (%w)", err)
	case status == 429 || pause(err) > 0:
		return halt("the source asks for fewer calls (%w)", err)
	case status == 403:
		// One record may be restricted; many in a row are a permission that was lost (see outage).
		return Verdict{Fate: ledger.Dead, Reason: ledger.Reason{Code: CodeRelationship, Text: err.Error()}}
	case status == 404 || status == 410:
		return Verdict{Fate: ledger.Held, Next: now.Add(NotVisibleWait), Reason: ledger.Reason{Code: CodeSourceGone,
			Text: fmt.Sprintf("the source does not show this record (status %d); that is no deletion: it stays as it is in Salesforce, and is read again", status)}}
	case status == 0 || status >= 500:
		return Again(w, ledger.Reason{Code: CodeSource, Text: err.Error()}, now)
	}
	return Again(w, ledger.Reason{Code: CodeUnreadable, Text: err.Error()}, now)
}

// doesNotAnswer reports whether a call was not sent because the far end let those before it wait in vain.
func doesNotAnswer(err error) bool {
	paused, ok := errors.AsType[*wire.Paused](err)
	return ok && paused.Hangs
}

// Hanging halts the lane where a write had no answer in time: the rows of the next call would wait as long in vain. What was sent is in
// doubt, and looked for before it is sent again.
func Hanging(results []sfdc.SaveResult) error {
	for _, res := range results {
		if errors.Is(res.Err, wire.ErrTimeout) {
			return halt("Salesforce does not answer in time; what was sent is looked for before it is sent again (%w)", res.Err).Halt
		}
	}
	return nil
}

// pause gives how long a source asked to be left alone; it says so about the lane, not about one record.
func pause(err error) time.Duration {
	var e *ers.Error
	if errors.As(err, &e) {
		return e.RetryAfter
	}
	var f *rest.Error
	if errors.As(err, &f) {
		return f.RetryAfter
	}
	return 0
}

// OfMapping judges the faults of mapping one record: it is held with the first fault's rule, the others are counted.
func OfMapping(err error, w ledger.Work) Verdict {
	var faults mapping.Faults
	if !errors.As(err, &faults) || len(faults) == 0 {
		return Verdict{Fate: ledger.Held, Reason: ledger.Reason{Code: CodeMapping, Text: err.Error()}}
	}
	f := gravest(faults)
	r := ledger.Reason{Code: CodeMapping, Text: f.What(), Field: f.Field, Rule: f.FileLine()}
	if f.Hint != "" {
		r.Text += "; " + f.Hint
	}
	if len(faults) > 1 {
		r.Text += fmt.Sprintf(" (and %d more)", len(faults)-1)
	}
	switch f.Kind {
	case mapping.UnknownCode:
		r.Code = CodeUnknownCode
	case mapping.UnknownModifier:
		r.Code = CodeModifier
	case mapping.TwoServers:
		r.Code = codeTwoServers
	case mapping.PatientIdentity:
		r.Code = CodePatientIdentity
	case mapping.ReferenceForeign, mapping.ReferenceAmbiguous, mapping.ReferenceVersion, mapping.ReferenceUnresolved:
		r.Code = string(f.Kind)
	}
	return Verdict{Fate: ledger.Held, Reason: r}
}

// gravest picks the fault to show: who the patient is comes before what a code means, and that before the rest.
func gravest(faults mapping.Faults) mapping.Fault {
	for _, kind := range []mapping.FaultKind{mapping.TwoServers, mapping.PatientIdentity, mapping.ReferenceAmbiguous, mapping.ReferenceForeign,
		mapping.ReferenceVersion, mapping.ReferenceUnresolved, mapping.UnknownModifier, mapping.UnknownCode} {
		if i := slices.IndexFunc(faults, func(f mapping.Fault) bool { return f.Kind == kind }); i >= 0 {
			return faults[i]
		}
	}
	return faults[0]
}

// Releases returns the reasons whose records are tried again after a change of the tables, of what describe says of the org, or both.
func Releases(tables, described bool) []string {
	var out []string
	if tables {
		out = append(out, CodeUnknownCode, CodeMapping, CodePatientIdentity, CodeUnreadable, CodeData, codeUnknownError,
			CodeForeign, codeAmbiguous, CodeVersion, CodeUnresolved, CodeModifier)
	}
	if described {
		out = append(out, CodeData, CodePermission, codeUnknownError)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// Stopped tells whether an error only says that the run was asked to end.
func Stopped(ctx context.Context, err error) bool {
	return ctx.Err() != nil && (errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded))
}

// ReadRefused makes a failed read of Salesforce a reason to halt the lane, unless the run was stopped.
func ReadRefused(ctx context.Context, err error, what string, now time.Time) error {
	if Stopped(ctx, err) {
		return err
	}
	if v := OfTarget(err, ledger.Work{}, now); v.Halt != nil {
		return v.Halt
	}
	return fmt.Errorf("%w: %s in Salesforce: %w", ErrHalted, what, err)
}

// ErrPatientURL says that reading the patient would put an NHS number into a URL.
var ErrPatientURL = errors.New("the patient is named by a reference that is not read: its id is an NHS number, and URLs end in logs")

// WaitsFor holds a record until what it refers to is there; err names that.
func WaitsFor(err error, now time.Time) Verdict {
	return Verdict{Fate: ledger.Held, Next: now.Add(NextRun), Reason: ledger.Reason{Code: CodeParent, Text: err.Error()}}
}

// Doubted is a verdict while writes are open until some moments: what is done as far as can be seen may be undone by one that takes
// effect late. It is applied when a read after the last of these moments still finds it so (doubt rule 4).
func Doubted(v Verdict, open []time.Time) Verdict {
	if v.Fate != ledger.Applied || len(open) == 0 {
		return v
	}
	until := slices.MaxFunc(open, time.Time.Compare)
	return Verdict{Fate: ledger.Unknown, Next: until.Add(time.Second), Reason: ledger.Reason{Code: CodeInDoubt, Text: "done, as far as can be seen; " +
		"a write whose outcome nobody saw may still take effect until " + until.UTC().Format(time.RFC3339) + ", and is looked for again then"}}
}
