package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"refbridge/mapping"
	"refbridge/mapping/lint"
	"refbridge/sfdc"
)

// unfit are tables that do not fit the org: a sync with them would refuse, lose or misplace whole fields.
type unfit []lint.Finding

// Error gives their number; findings prints them.
func (u unfit) Error() string {
	if len(u) == 1 {
		return "the tables do not fit this org (1 error)"
	}
	return fmt.Sprintf("the tables do not fit this org (%d errors)", len(u))
}

// fit checks the tables against what the org says of their objects. It costs no call while what the org said is young enough;
// what is missing is asked for again after a few minutes, so that an administrator who adds a field does not wait for a day.
func (a *app) fit(ctx context.Context) error {
	tables := tablesIn(a.cfg.Tables)
	objects, err := lint.Objects(tables)
	if err != nil {
		return err
	}
	org := lint.Snapshot{About: "Salesforce org " + a.cfg.Salesforce.LoginURL, Taken: "now"}
	for _, name := range objects {
		d, err := a.target.DescribeFor(ctx, name, a.fieldsOf(name)...)
		var refused *sfdc.Error
		switch {
		case errors.As(err, &refused) && refused.Status == http.StatusNotFound: // lint names it
		case err != nil:
			return fmt.Errorf("ask the org about %s: %w", name, err)
		default:
			org.Objects = append(org.Objects, d)
		}
	}
	report, err := lint.Check(tables, org)
	if err != nil {
		return err
	}
	if found := report.Unfit(); len(found) > 0 {
		return unfit(found)
	}
	return nil
}

// fieldsOf gives the fields of an object that the tables write or read.
func (a *app) fieldsOf(object string) []string {
	objects := a.tables.Objects()
	i := slices.IndexFunc(objects, func(o mapping.Object) bool { return strings.EqualFold(o.Name, object) })
	if i < 0 {
		return nil
	}
	return append(slices.Clone(objects[i].Fields), objects[i].KeyField)
}

// findings prints what does not fit, a fault each.
func (p *program) findings(found unfit) {
	for _, f := range found {
		hint := f.Hint
		if f.Hint = ""; strings.Contains(f.Message, f.Field) {
			f.Field = ""
		}
		p.fault(f.Fault.String(), hint)
	}
}
