package rest

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"

	"refbridge/fhir"
	"refbridge/wire"
)

func TestFinding_server_MP12_WhatASmallerPageMayHelp(t *testing.T) {
	status := func(n int) error { return &Error{Call: "search Patient", Status: n} }
	because := func(n int, cause error) error { return &Error{Call: "search Patient", Status: n, cause: cause} }
	for what, c := range map[string]struct {
		err  error
		want bool
	}{
		"larger than we read":           {because(0, wire.ErrTooLarge), true},
		"larger than we read, with 200": {because(200, wire.ErrTooLarge), true},
		"garbage":                       {fmt.Errorf("page: %w: 5 entries", ErrGarbage), true},
		"no answer in time":             {because(0, wire.ErrTimeout), true},
		"cut":                           {because(0, wire.ErrCut), true},
		"does not close":                {because(200, fmt.Errorf("%w: at byte 7", fhir.ErrSyntax)), true},
		"400":                           {status(400), true},
		"408":                           {status(408), true},
		"413":                           {status(413), true},
		"500":                           {fmt.Errorf("poll: %w", status(500)), true},
		"502":                           {status(502), true},
		"504":                           {status(504), true},
		"501":                           {status(501), false},
		"503":                           {status(503), false},
		"401":                           {status(401), false},
		"403":                           {status(403), false},
		"404":                           {status(404), false},
		"410":                           {status(410), false},
		"422":                           {status(422), false},
		"429":                           {status(429), false},
		"a page that is none":           {because(200, ErrNotFHIR), false},
		"an outcome of error":           {status(200), false},
		"the host is not there":         {because(0, wire.ErrDial), false},
		"no such host":                  {because(0, wire.ErrName), false},
		"no trust":                      {because(0, wire.ErrTrust), false},
		"not granted":                   {because(403, ErrScope), false},
		"stopped":                       {because(0, context.Canceled), false},
		"a foreign link":                {ErrForeignLink, false},
		"a circle":                      {ErrPagingLoop, false},
		"something else":                {errors.New("ledger"), false},
		"nothing":                       {nil, false},
	} {
		assert.Equal(t, c.want, OfPage(c.err), what)
	}
}
