package postgres

import (
	"context"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/fairlead-dev/fairlead/internal/pgserver"
	"github.com/fairlead-dev/fairlead/internal/retry"
)

// Pace of the purge: it pauses after each round for as long as that took, and no less
// than purgePause, so that the writes that wait for the same disk hardly notice.
const (
	purgeEvery = 10 * time.Minute
	purgePause = 20 * time.Millisecond
	purgeRows  = 1000
)

// purgeForever removes rows after their retention, until ctx ends.
func (s *Sink) purgeForever(ctx context.Context) {
	failing := false
	for {
		if retry.Sleep(ctx, purgeEvery) != nil {
			return
		}
		err := s.purge(ctx)
		if err != nil && ctx.Err() == nil {
			s.metrics.failed.Inc()
			if !failing {
				s.o.Log.Error(err, "Could not remove rows after their retention; tries again", "after", purgeEvery.String())
			}
		}
		failing = err != nil
	}
}

// purge removes what is due, a thousand rows at a time, over a connection of its own.
func (s *Sink) purge(ctx context.Context) error {
	conn, err := s.dial(ctx, nil)
	if err != nil {
		return err
	}
	defer conn.End(ctx)
	for table, sql := range s.sql.purge {
		label, kept := "state", s.o.DeletedFor
		if table == historyTable {
			label, kept = "history", s.o.HistoryFor
		}
		from := []byte("-infinity")
		for {
			began := time.Now()
			removed, next, err := s.purgeRound(ctx, conn, sql, kept, from)
			if err != nil {
				return err
			}
			s.metrics.purged.WithLabelValues(label).Add(float64(removed))
			if removed < purgeRows {
				break
			}
			if err := retry.Sleep(ctx, max(time.Since(began), purgePause)); err != nil {
				return err
			}
			from = next
		}
	}
	return nil
}

// purgeRound removes up to purgeRows rows, in one trip, and returns where to look on. The
// server ends it if it takes longer than the timeout.
func (s *Sink) purgeRound(ctx context.Context, conn *pgserver.Conn, sql string, kept time.Duration, from []byte) (removed int, next []byte, err error) {
	ctx, cancel := context.WithTimeout(ctx, s.o.Timeout)
	defer cancel()
	b := &pgconn.Batch{}
	b.ExecParams(settings, [][]byte{s.statementTimeout()}, nil, nil, nil)
	b.ExecParams(sql, [][]byte{strconv.AppendFloat(nil, kept.Seconds(), 'f', -1, 64), strconv.AppendInt(nil, purgeRows, 10), from}, nil, nil, nil)
	conn.Allow()
	results, err := conn.ExecBatch(ctx, b).ReadAll()
	if err != nil {
		return 0, nil, s.explain(err)
	}
	if len(results) != 2 || len(results[1].Rows) != 1 || len(results[1].Rows[0]) != 2 {
		return 0, nil, pgserver.ErrNoAnswer
	}
	row := results[1].Rows[0]
	if removed, err = strconv.Atoi(string(row[0])); err != nil || removed < 0 {
		return 0, nil, pgserver.ErrNoAnswer
	}
	return removed, row[1], nil
}
