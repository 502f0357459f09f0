package postgres

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"k8s.io/apimachinery/pkg/types"

	"github.com/fairlead-dev/fairlead/internal/pgserver"
	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/sinks"
)

var _ sinks.ReadBacker = (*Sink)(nil)

// ReadBack implements [sinks.ReadBacker], over a connection of its own, as one statement
// that sees the table as it is when that begins. It fails if only the history is
// written, which does not hold what exists.
func (s *Sink) ReadBack(ctx context.Context, cluster, resource string, yield func(sinks.Held) error) error {
	if !s.o.Tables.state() {
		return fmt.Errorf("read back from PostgreSQL: tables=%s does not hold what exists; give tables=%s", s.o.Tables, Both)
	}
	conn, err := s.reader.Connect(ctx, nil)
	if err != nil {
		return s.explain(err)
	}
	defer conn.End(ctx)
	ctx, cancel := context.WithCancel(ctx) // what nobody reads further is not read to its end
	defer cancel()
	rows := conn.ExecParams(ctx, s.sql.read, [][]byte{[]byte(cluster), []byte(resource)}, nil, nil, nil)
	for rows.NextRow() {
		held, err := heldOf(cluster, resource, rows.Values())
		if err == nil {
			err = yield(held)
		}
		if err != nil {
			return err
		}
		conn.Allow()
	}
	if _, err := rows.Close(); err != nil {
		return s.explain(err)
	}
	return nil
}

// heldOf reads one row of statements.read.
func heldOf(cluster, resource string, row [][]byte) (sinks.Held, error) {
	if len(row) != 7 {
		return sinks.Held{}, pgserver.ErrNoAnswer
	}
	term, termErr := strconv.ParseUint(string(row[4]), 10, 63)
	sequence, sequenceErr := strconv.ParseUint(string(row[5]), 10, 63)
	if errors.Join(termErr, sequenceErr) != nil {
		return sinks.Held{}, errors.New("term and sequence of a row are no numbers: the table is not one that Fairlead has made")
	}
	return sinks.Held{
		Key: pipeline.Key{Cluster: cluster, Resource: resource, Namespace: string(row[0]), Name: string(row[1])},
		UID: types.UID(row[2]), ResourceVersion: string(row[3]), Term: term, Sequence: sequence, Object: row[6],
	}, nil
}
