package kafka

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/internal/broker"
	"github.com/freshet/freshet/internal/idle"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// mirror copies the state's offsets into a consumer group, where tools that show lag look for them. The
// state's are those that count: the group is written, never read, and may be deleted at any time.
type mirror struct {
	access broker.Access
	group  string
	log    *slog.Logger
	told   time.Time // when the group was written last
}

// Between two commits to a group lie mirrorEvery, and none takes longer than mirrorTimeout.
const (
	mirrorEvery   = 5 * time.Second
	mirrorTimeout = 3 * time.Second
)

// Confirm implements stream.Confirmer. I1: it is called with what is durable, so that the group never shows
// more than the state holds. That a group cannot be written hinders nothing else and is logged.
func (s *Source) Confirm(ctx context.Context, position cdc.Position) error {
	m := &s.mirror
	if m.group == "" || position == "" {
		return nil
	}
	if wait := mirrorEvery - time.Since(m.told); wait > 0 {
		_ = idle.For(ctx, wait) // at the end the last word is told at once
	}
	m.told = time.Now()
	if err := m.commit(context.WithoutCancel(ctx), position); err != nil {
		m.log.Warn("the consumer group does not show how far the flow is", "group", m.group, "err", err)
	}
	return nil
}

func (m *mirror) commit(ctx context.Context, position cdc.Position) error {
	c, err := decodeCursor(position)
	if err != nil {
		return err
	}
	options, err := m.access.Options()
	if err != nil {
		return err
	}
	client, err := kgo.NewClient(options...)
	if err != nil {
		return fmt.Errorf("open client: %w", err)
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(ctx, mirrorTimeout)
	defer cancel()
	offsets := kadm.Offsets{}
	for i := range c.topics {
		for _, p := range c.topics[i].partitions {
			offsets.Add(kadm.Offset{Topic: c.topics[i].name, Partition: p.partition, At: p.next, LeaderEpoch: p.epoch})
		}
	}
	if err := kadm.NewClient(client).CommitAllOffsets(ctx, m.group, offsets); err != nil {
		return fmt.Errorf("commit to group %s: %w", m.group, err)
	}
	return nil
}
