package source

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"refbridge/bridge"
	"refbridge/ers"
	"refbridge/fhir"
	"refbridge/ledger"
)

// ERS is the NHS e-Referral Service as a source: worklists say that a referral exists, A005 says what it is.
type ERS struct {
	Client   *ers.Client
	Services []string   // e-RS service ids; no call lists them, so they are configured
	Lists    []ers.List // worklists to ask for
	Logger   *slog.Logger
	Now      func() time.Time
}

// Poll asks for each worklist of each service and hands the answers to the inbox as they came. A ration that is used up
// is no failure: the rest is asked, and the next day goes on.
func (e *ERS) Poll(ctx context.Context, in Inbox) error {
	var failed error
	for _, service := range e.Services {
		for _, list := range e.Lists {
			body, err := e.Client.Worklist(ctx, service, list)
			if errors.Is(err, ledger.ErrSpent) {
				e.Logger.Info("worklist ration is spent for today", "service", service, "list", string(list))
				continue
			}
			if halts := SignInFailed(err, e.Now()); halts != nil {
				return errors.Join(failed, halts) // so would every other worklist
			}
			if err != nil {
				failed = errors.Join(failed, fmt.Errorf("worklist %s of service %s: %w", list, service, err))
				continue
			}
			answer := ledger.Answer{Kind: string(list) + listOf + service, Received: e.Now(), Body: body}
			if err := in.Receive(ctx, answer, ledger.Cursor{}); err != nil {
				return errors.Join(failed, err)
			}
		}
	}
	return failed
}

// SignInFailed returns why the lane halts where a call did not come as far as its question.
func SignInFailed(err error, now time.Time) error {
	var e *ers.Error
	if !errors.As(err, &e) || !e.SignIn() {
		return nil
	}
	return bridge.OfERS(e, ledger.Work{}, now).Halt
}

// listOf stands between the worklist and the service in the kind of an answer. Answers that an older program has left have no service:
// of what they say of a referral it could not be told when it ends, so only their references count.
const listOf = " of service "

// Cost says what the next Poll takes out of the ration of the worklists, a line for each service.
func (e *ERS) Cost(ctx context.Context) ([]string, error) {
	var out []string
	for _, service := range e.Services {
		left, err := e.Client.WorklistsLeft(ctx, service)
		if err != nil {
			return nil, err
		}
		out = append(out, fmt.Sprintf("service %s: %d of the %d worklist calls left today", service, min(left, len(e.Lists)), left))
	}
	return out, nil
}

// Sightings reads a worklist answer: one sighting an entry. An entry that cannot be read has no UBRN to hold it under, so
// it is reported with the answer.
func (e *ERS) Sightings(a ledger.Answer) ([]ledger.Sighting, error) {
	entries, err := ers.ReadWorklist(a.Body)
	if err != nil {
		return nil, err
	}
	var out []ledger.Sighting
	for i, entry := range entries {
		if entry.Err != nil {
			e.Logger.Warn("a worklist entry cannot be read", "list", a.Kind, "entry", i, "error", entry.Err)
			out = append(out, Unreadable(entry.Raw, entry.Err))
			continue
		}
		s := ledger.Sighting{Ref: entry.Ref}
		if strings.Contains(a.Kind, listOf) {
			s.Listed = entry.Listed
		}
		out = append(out, s)
	}
	return out, nil
}

// Read is A005.
func (e *ERS) Read(ctx context.Context, ref fhir.Reference) (fhir.Reference, []byte, error) {
	r, err := e.Client.Read(ctx, ref.Current())
	if err != nil {
		return fhir.Reference{}, nil, err
	}
	return r.Reference(), r.Raw(), nil
}

// Normalise makes R4 of a ReferralRequest, and of what worklists say of it where that comes with it.
func (e *ERS) Normalise(_ context.Context, body []byte) (fhir.Bundle, bool, error) {
	r, err := fhir.Parse(body)
	if err != nil {
		return fhir.Bundle{}, false, err
	}
	one := ers.Referral{Resource: r}
	if found, err := ers.Referrals(body); err == nil && len(found) == 1 {
		one = found[0]
	}
	b, err := ers.Normalise(one.Resource, one.Listed...)
	return b, err == nil && ers.Terminal(b), err
}

// Invoke is A013, A028 or A036. Where A029 knows the action (it does not know accept), it is asked first.
func (e *ERS) Invoke(ctx context.Context, op fhir.Operation) (fhir.Reference, error) {
	op.On.Version = ledger.OwnVersion(op.On.Version) // what If-Match needs
	if action := actionOf(op.Name); action != "" {
		offered, err := e.Client.Actions(ctx, op.On)
		if err != nil {
			return fhir.Reference{}, fmt.Errorf("%w: %w", ErrNotSent, err)
		}
		if !slices.Contains(offered, action) {
			return fhir.Reference{}, fmt.Errorf("%w: %s", ErrNotOffered, action)
		}
	}
	return e.Client.Invoke(ctx, op)
}

// actionOf gives the code under which A029 lists an operation (eRS-AvailableActionsForUser-1).
func actionOf(operation string) string {
	switch operation {
	case "$ers.recordReviewOutcome":
		return "RECORD_REVIEW_OUTCOME"
	case "$ers.cancelReferral":
		return "CANCEL_REFERRAL"
	}
	return ""
}

// ErrNotOffered says that the source does not list the operation as available now.
var ErrNotOffered = errors.New("the source does not offer this operation now")

// ErrNotSent says that what came before the operation failed: the source was not asked to change anything.
var ErrNotSent = errors.New("not sent")
