package postgres

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/fairlead-dev/fairlead/internal/pgserver"
	"github.com/fairlead-dev/fairlead/pipeline"
)

// outcome is what the server says of a batch.
type outcome struct {
	fenced         bool // the writer has the term, so that the batch was written
	states, events int  // rows that were written
}

// hear notes a warning, unless it is known to be about nothing that was written: that
// the queue of notifications is half full, or what a trigger has to say.
func (p *session) hear(_ *pgconn.PgConn, n *pgconn.Notice) {
	harmless := n.Routine == "asyncQueueFillWarning" || n.Routine == "exec_stmt_raise"
	if p != nil && n.SeverityUnlocalized == "WARNING" && !harmless {
		p.warning = n.Message
	}
}

// send sends a batch in one trip. Statements up to the one Sync behind them are one
// transaction, without BEGIN and COMMIT: after an error it is rolled back, and the
// connection is as it was.
// https://www.postgresql.org/docs/15/protocol-flow.html#PROTOCOL-FLOW-PIPELINING
func (s *Sink) send(ctx context.Context, place *session, e encoded, batch []*pipeline.Change) (outcome, error) {
	values := [][]byte{[]byte(s.o.Writer), strconv.AppendUint(nil, e.term, 10)}
	oids, formats := []uint32{0, 0}, []int16{0, 0}
	for i, c := range s.columns {
		values, oids, formats = append(values, e.values[i]), append(oids, c.oid), append(formats, 1)
	}
	if s.o.Notify != "" {
		values, oids, formats = append(values, []byte(s.o.Notify), payload(batch)), append(oids, 0, 0), append(formats, 0, 0)
	}
	b := &pgconn.Batch{}
	b.ExecParams(writeSettings, [][]byte{s.statementTimeout()}, nil, nil, nil)
	b.ExecParams(s.sql.write, values, oids, formats, nil)

	results := place.conn.ExecBatch(ctx, b)
	var row [][]byte
	answers := 0
	for results.NextResult() {
		answer := results.ResultReader().Read()
		if answer.Err != nil {
			break // Close has it
		}
		if answers++; answers == 2 && len(answer.Rows) == 1 {
			row = answer.Rows[0]
		}
		place.warning = "" // of a trigger, which somebody may have added
	}
	// Behind its answers the server commits. It warns if it did not wait for standbys,
	// because somebody has cancelled that: then it may forget what it has committed.
	switch err := results.Close(); {
	case err != nil && answers == 0: // of the settings, which have nothing of a change
		return outcome{}, s.explain(err)
	case err != nil:
		return outcome{}, s.refused(err, answers == 2)
	case place.warning != "":
		return outcome{}, s.server.Shown(fmt.Errorf("the server has written the batch with a warning: %s", place.warning))
	case len(row) < 3:
		return outcome{}, pgserver.ErrNoAnswer
	}
	var counts [3]int
	for i := range counts {
		n, err := strconv.Atoi(string(row[i]))
		if err != nil || n < 0 {
			return outcome{}, pgserver.ErrNoAnswer
		}
		counts[i] = n
	}
	return outcome{fenced: counts[0] > 0, states: counts[1], events: counts[2]}, nil
}

// statementTimeout is how long a statement may take, in ms.
func (s *Sink) statementTimeout() []byte {
	return strconv.AppendInt(nil, max(s.o.Timeout.Milliseconds(), 1), 10)
}

// raise has the writer have a term, unless it has a later one: then it returns a
// pipeline.ErrOldTerm. It waits for batches of the term before.
func (s *Sink) raise(ctx context.Context, conn *pgserver.Conn, term uint64) error {
	name := []byte(s.o.Writer)
	b := &pgconn.Batch{}
	b.ExecParams(settings, [][]byte{s.statementTimeout()}, nil, nil, nil)
	b.ExecParams(s.sql.raise, [][]byte{name, strconv.AppendUint(nil, term, 10)}, nil, nil, nil)
	b.ExecParams(s.sql.term, [][]byte{name}, nil, nil, nil)
	results, err := conn.ExecBatch(ctx, b).ReadAll()
	if err != nil {
		return s.explain(err)
	}
	if len(results) != 3 || len(results[2].Rows) != 1 || len(results[2].Rows[0]) != 1 {
		return pgserver.ErrNoAnswer
	}
	held, err := strconv.ParseUint(string(results[2].Rows[0][0]), 10, 63)
	if err != nil {
		return errors.New("the term of the writer is no number: the table is not one that Fairlead has made")
	}
	if held > term {
		return fmt.Errorf("%w: writer %q of %s has term %d, and this process has %d. If no other process delivers there, the ledger was lost or replaced: "+
			"give writer= another name and schema= an empty one, or lower the terms in %s and %s", pipeline.ErrOldTerm, s.o.Writer, quoted(s.o.Schema, writerTable), held, term, writerTable, stateTable)
	}
	return nil
}
