package qdrant

import (
	"context"
	"errors"
	"fmt"

	"github.com/qdrant/go-client/qdrant"

	"github.com/freshet/freshet/stream"
)

// Drop implements stream.Dropper: the collection of an instance goes. Where another instance was filled beside it, the
// alias names that one first: no reader finds nothing.
func (s *Sink) Drop(ctx context.Context, t stream.Target) error {
	c, err := s.dial()
	if err != nil {
		return err
	}
	o := &opening{sink: s, target: t, client: c}
	if err := errors.Join(s.describe(o.drop(ctx)), c.close()); err != nil {
		return fmt.Errorf("drop the collection of sink %s: %w", t.Sink, err)
	}
	return nil
}

func (o *opening) drop(ctx context.Context) error {
	names, err := o.client.names(ctx)
	if err != nil {
		return err
	}
	all, err := o.places(ctx, names)
	if err != nil {
		return err
	}
	var dropped, successor *place
	for _, p := range all {
		switch r := p.record; {
		case r == nil || r.state != o.target.State:
		case r.instance == o.target.Instance:
			dropped = p
		case successor == nil || r.instance > successor.record.instance:
			successor = p
		}
	}
	if dropped == nil {
		return nil
	}
	aliases, err := o.client.collections.ListCollectionAliases(ctx, &qdrant.ListCollectionAliasesRequest{CollectionName: dropped.name})
	if err != nil {
		return fmt.Errorf("list aliases of %s: %w", dropped.name, err)
	}
	var actions []*qdrant.AliasOperations
	for _, a := range aliases.GetAliases() {
		actions = append(actions, qdrant.NewAliasDelete(a.GetAliasName()))
		if successor != nil && a.GetAliasName() == o.sink.o.Collection {
			actions = append(actions, qdrant.NewAliasCreate(o.sink.o.Collection, successor.name))
		}
	}
	if len(actions) > 0 {
		if _, err := o.client.collections.UpdateAliases(ctx, &qdrant.ChangeAliases{Actions: actions}); err != nil {
			return fmt.Errorf("switch aliases of %s: %w", dropped.name, err)
		}
	}
	_, err = o.remove(ctx, dropped)
	return err
}
