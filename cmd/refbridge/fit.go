package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"

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
func (a *app) fit(src config.Source) func(context.Context) error {
	idle := map[string]bool{}
	for _, t := range a.tables.Tables() {
		if t.Idle(map[string]string{"patientMode": src.Patient, "source": src.Name, "system": src.System}) {
			idle[t.File] = true
		}
	}
	verdict := error(hinted{errors.New("the tables were changed after they were read and before they were checked against the org"),
		"start refbridge again"})
	return func(ctx context.Context) error {
		if on, _, err := mapping.Read(tablesIn(a.cfg.Tables), mapping.Options{}); err != nil || on.Hash() != a.tables.Hash() {
			return verdict // somebody is editing: what runs is what was judged before
		}
		found, err := a.misfits(ctx, idle, a.target.Describe)
		if err == nil && len(found) > 0 {
			found, err = a.misfits(ctx, idle, a.target.DescribeAgain)
		}
		if err != nil {
			return err // the org gave no answer, which says nothing of the tables
		}
		if verdict = nil; len(found) > 0 {
			verdict = unfit(found)
		}
		return verdict
	}
}

// misfits gives what does not fit.
func (a *app) misfits(ctx context.Context, idle map[string]bool, describe func(context.Context, string) (sobject.Description, error)) ([]lint.Finding, error) {
	tables := tablesIn(a.cfg.Tables)
	objects, err := lint.Objects(tables)
	if err != nil {
		return nil, err
	}
	org := lint.Snapshot{About: "Salesforce org " + a.cfg.Salesforce.LoginURL, Taken: "now"}
	for _, name := range objects {
		d, err := describe(ctx, name)
		var refused *sfdc.Error
		switch {
		case errors.As(err, &refused) && refused.Status == http.StatusNotFound: // lint names it
		case err != nil:
			return nil, fmt.Errorf("ask the org about %s: %w", name, err)
		default:
			org.Objects = append(org.Objects, d)
		}
	}
	report, err := lint.Check(tables, org)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(report.Unfit(), func(f lint.Finding) bool { return idle[f.File] }), nil
}
