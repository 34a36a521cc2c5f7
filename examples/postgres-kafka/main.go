// Command postgres-kafka is the example of a table whose rows are told to others by a topic, without an outbox table:
// what commits is there once, what is taken back never was.
package main

import (
	"context"

	"github.com/freshet/freshet/examples/internal/database"
	"github.com/freshet/freshet/examples/internal/scene"
	"github.com/freshet/freshet/examples/internal/topic"
)

func main() { scene.Play("postgres-kafka", play) }

func play(ctx context.Context, s *scene.Scene) {
	db := database.Open(ctx, s, "orders.sql")
	defer db.Close()
	kafka := topic.Open(s)
	defer kafka.Close()
	told := func() {
		db.Settle(ctx, "orders")
		kafka.Show(ctx, "paid-orders")
	}

	s.Service(ctx, func(ctx context.Context) {
		s.Act("orders that are paid already")
		told()

		s.Act("one transaction that is taken back, and one that commits")
		db.Run(ctx, "BEGIN; UPDATE orders SET total = 0; ROLLBACK")
		db.Run(ctx, "UPDATE orders SET state = 'paid' WHERE id = 1002; INSERT INTO orders VALUES (1004, 'dora', 5.00, 'paid')")
		told()

		s.Act("a column that is not told changes: no record")
		db.Run(ctx, "UPDATE orders SET note = 'no gift' WHERE id = 1001")
		told()

		s.Act("an order that is no longer paid, and one that goes, become null")
		db.Run(ctx, "UPDATE orders SET state = 'open' WHERE id = 1003; DELETE FROM orders WHERE id = 1001")
		told()
	})
}
