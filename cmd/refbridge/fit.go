package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"syscall"

	"refbridge/config"
	"refbridge/mapping"
	"refbridge/mapping/lint"
	"refbridge/sfdc"
	"refbridge/sfdc/sobject"
)

// unfit are tables that do not fit the org: a sync with them would be refused whole fields, or lose them.
type unfit []lint.Finding

// Error names the first of them. Nothing in it is about a person.
func (u unfit) Error() string {
	first := u[0].Fault
	text := fmt.Sprintf("the tables do not fit this org: %s:%d:%d: %s", first.File, first.Line, first.Column, first.Message)
	if len(u) > 1 {
		text += fmt.Sprintf(" (and %d more)", len(u)-1)
	}
	return text
}

// fit checks the tables that run against what the org says of their objects. Tables that make nothing for a source are left out: in
// mode link nobody needs an Account that can be written. It costs no call while the org's answers are young enough; before the
// tables are refused it is asked once more, so that an administrator who grants a field waits for minutes and not for a day.
//
// Of tables that fit it returns what runs: without the optional fields that the org does not have.
func (a *app) fit(src config.Source) func(context.Context) (*mapping.Set, error) {
	idle := map[string]bool{}
	for _, t := range a.tables.Tables() {
		if t.Idle(map[string]string{"patientMode": src.Patient, "source": src.Name, "system": src.System}) {
			idle[t.File] = true
		}
	}
	var verdict error
	judged := false
	runs, told, blind := a.tables, "none", "none"
	return func(ctx context.Context) (*mapping.Set, error) {
		on, _, err := mapping.Read(tablesIn(a.cfg.Tables), mapping.Options{})
		if err != nil || on.Hash() != a.tables.Hash() {
			if judged {
				return runs, verdict // somebody is editing: what runs is what was judged before
			}
			return runs, unjudged(err)
		}
		org, found, err := a.misfits(ctx, idle, a.target.Describe)
		if err == nil && len(found) > 0 {
			org, found, err = a.misfits(ctx, idle, a.target.DescribeAgain)
		}
		if err != nil {
			return runs, err // the org gave no answer, which says nothing of the tables
		}
		judged = true
		if verdict = nil; len(found) > 0 {
			verdict = unfit(found)
		}
		absent := lacks(a.tables, org)
		runs = a.tables.Without(absent)
		if names := a.named(absent, idle); names != told {
			told = names
			a.logger.Warn("optional fields of the tables that the org lacks: their rows are left out", "flow", src.Name, "fields", names)
		}
		if names := a.incomparable(org, idle); names != blind {
			blind = names
			a.logger.Warn("fields that say who a patient is and that the org lacks or does not show: patients are linked without comparing them",
				"flow", src.Name, "fields", names)
		}
		return runs, verdict
	}
}

// unjudged says why tables that nobody has checked against the org cannot be checked now: they could not be read again, or they are not
// those that run.
func unjudged(read error) error {
	switch {
	case read == nil:
		return hinted{errors.New("the tables were changed after they were read and before they were checked against the org"),
			"start refbridge again"}
	case errors.Is(read, syscall.EMFILE) || errors.Is(read, syscall.ENFILE):
		return hinted{fmt.Errorf("the tables could not be read again to check them against the org: %w", read),
			"too many files are open: raise the limit (ulimit -n, or LimitNOFILE of the service), then start refbridge again; " +
				"what was polled is kept, and nothing was written"}
	}
	return hinted{fmt.Errorf("the tables could not be read again to check them against the org: %w", read),
		"let the user of this process read the folder of the tables and every file in it; what was polled is kept, and nothing was written"}
}

// incomparable writes the fields of owner identity that the org lacks, of tables that are idle, in one line; none where there is none. Of
// tables that are not idle they do not fit.
func (a *app) incomparable(org lint.Snapshot, idle map[string]bool) string {
	var out []string
	for _, t := range a.tables.Tables() {
		if !idle[t.File] || t.Shared != mapping.SharedByPatient {
			continue
		}
		i := slices.IndexFunc(org.Objects, func(d sobject.Description) bool { return d.Name == t.Object })
		for _, w := range t.Rows {
			there := i >= 0
			if there {
				_, there = org.Objects[i].Field(w.Field)
			}
			if w.Owner == sobject.Identity && !there {
				out = append(out, t.Object+"."+w.Field)
			}
		}
	}
	slices.Sort(out)
	return cmp.Or(strings.Join(slices.Compact(out), ", "), "none")
}

// lacks returns the optional fields that an org does not have, by object.
func lacks(tables *mapping.Set, org lint.Snapshot) map[string][]string {
	out := map[string][]string{}
	for _, d := range org.Objects {
		for _, field := range tables.Optional(d.Name) {
			if _, has := d.Field(field); !has {
				out[d.Name] = append(out[d.Name], field)
			}
		}
	}
	return out
}

// named writes the fields of tables that are not idle in one line: Object.Field, sorted; none where there is none.
func (a *app) named(fields map[string][]string, idle map[string]bool) string {
	var out []string
	for object, names := range fields {
		used := func(t *mapping.Table) bool { return t.Object == object && !idle[t.File] }
		for _, name := range names {
			if slices.ContainsFunc(a.tables.Tables(), used) {
				out = append(out, object+"."+name)
			}
		}
	}
	slices.Sort(out)
	return cmp.Or(strings.Join(out, ", "), "none")
}

// misfits returns what the org says of the objects of the tables, and what of the tables does not fit it.
func (a *app) misfits(ctx context.Context, idle map[string]bool, describe func(context.Context, string) (sobject.Description, error)) (lint.Snapshot, []lint.Finding, error) {
	tables := tablesIn(a.cfg.Tables)
	org := lint.Snapshot{About: "Salesforce org " + a.cfg.Salesforce.LoginURL, Taken: "now"}
	objects, err := lint.Objects(tables)
	if err != nil {
		return org, nil, err
	}
	for _, name := range objects {
		d, err := describe(ctx, name)
		var refused *sfdc.Error
		switch {
		case errors.As(err, &refused) && refused.Status == http.StatusNotFound: // lint names it
		case err != nil:
			return org, nil, fmt.Errorf("ask the org about %s: %w", name, err)
		default:
			org.Objects = append(org.Objects, d)
		}
	}
	report, err := lint.Check(tables, org)
	if err != nil {
		return org, nil, err
	}
	return org, slices.DeleteFunc(report.Unfit(), func(f lint.Finding) bool { return idle[f.File] }), nil
}
