package postgres

import (
	"context"
	"strconv"
	"time"

	"github.com/fairlead-dev/fairlead/internal/retry"
)

// Pace of the purge: a few thousand rows in a second, so that the writes that wait for
// the same disk hardly notice.
const (
	purgeEvery = 10 * time.Minute
	purgePause = 200 * time.Millisecond
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
		for {
			conn.Allow()
			limited, cancel := context.WithTimeout(ctx, s.o.Timeout)
			result := conn.ExecParams(limited, sql, [][]byte{
				strconv.AppendFloat(nil, kept.Seconds(), 'f', -1, 64), strconv.AppendInt(nil, purgeRows, 10),
			}, nil, nil, nil).Read()
			cancel()
			if result.Err != nil {
				return s.explain(result.Err)
			}
			removed := result.CommandTag.RowsAffected()
			s.metrics.purged.WithLabelValues(label).Add(float64(removed))
			if removed < purgeRows {
				break
			}
			if err := retry.Sleep(ctx, purgePause); err != nil {
				return err
			}
		}
	}
	return nil
}
