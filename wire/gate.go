package wire

import (
	"context"
	"sync/atomic"
)

// Gate lets one caller at a time fetch a token while the others wait for what it brings back, a refusal included.
type Gate[T any] struct {
	turn  chan struct{} // holds one: who fetches, and guards what follows
	ended atomic.Int64  // fetches that ended
	token T
	has   bool
	err   error // how the last fetch ended
}

// NewGate returns a gate without a token.
func NewGate[T any]() *Gate[T] { return &Gate[T]{turn: make(chan struct{}, 1)} }

// Get returns the token that is there if it is good, and otherwise what fetch gets. A caller that waited while another fetched gets what
// came of that. A caller whose own context ends says nothing to the others.
func (g *Gate[T]) Get(ctx context.Context, good func(T) bool, fetch func(context.Context) (T, error)) (T, error) {
	var none T
	before := g.ended.Load()
	select {
	case g.turn <- struct{}{}:
		defer func() { <-g.turn }()
	case <-ctx.Done():
		return none, ctx.Err()
	}
	switch {
	case g.has && good(g.token):
		return g.token, nil
	case g.err != nil && g.ended.Load() != before:
		return none, g.err
	}
	token, err := fetch(ctx)
	if err != nil && ctx.Err() != nil {
		return none, err
	}
	g.token, g.has, g.err = token, err == nil, err
	g.ended.Add(1)
	return token, err
}
