package postgres

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/jackc/pgx/v5/pgproto3"
	"k8s.io/apimachinery/pkg/types"

	"github.com/fairlead-dev/fairlead/internal/pgserver"
	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/sinks"
)

var _ sinks.ReadBacker = (*Sink)(nil)

// ReadBack implements [sinks.ReadBacker], over connections of its own, as one statement
// that sees the table as it is when that begins. An object whose text is larger than
// 64 MiB, as a few numbers such as 1e308 can make it, is not given back: the statement is
// begun again behind it. ReadBack fails if only the history is written, which does not
// hold what exists.
func (s *Sink) ReadBack(ctx context.Context, cluster, resource string, yield func(sinks.Held) error) error {
	if !s.o.Tables.state() {
		return fmt.Errorf("read back from PostgreSQL: tables=%s does not hold what exists; give tables=%s", s.o.Tables, Both)
	}
	last := pipeline.Key{Cluster: cluster, Resource: resource}
	noting := func(h sinks.Held) error {
		last = h.Key
		return yield(h)
	}
	for {
		large, err := s.read(ctx, s.sql.read, last, noting)
		if !large {
			return err
		}
		before := last
		if _, err := s.read(ctx, s.sql.skip, last, noting); err != nil {
			return err
		}
		if last == before { // it was about no object
			return err
		}
	}
}

// tooLarge reports whether an error is about the text of an object: that it is more than
// this client takes, or than the server can make.
func tooLarge(err error) bool {
	_, ours := errors.AsType[*pgproto3.ExceededMaxBodyLenErr](err)
	return ours || pgserver.Code(err) == "54000"
}

// read yields the rows behind a key. large: it fails because a row is too large.
func (s *Sink) read(ctx context.Context, sql string, last pipeline.Key, yield func(sinks.Held) error) (large bool, err error) {
	conn, err := s.reader.Connect(ctx, nil)
	if err != nil {
		return false, s.explain(err)
	}
	defer conn.End(ctx)
	ctx, cancel := context.WithCancel(ctx) // what nobody reads further is not read to its end
	defer cancel()
	rows := conn.ExecParams(ctx, sql, [][]byte{[]byte(last.Cluster), []byte(last.Resource), []byte(last.Namespace), []byte(last.Name)}, nil, nil, nil)
	for rows.NextRow() {
		held, err := heldOf(last.Cluster, last.Resource, rows.Values())
		if err == nil {
			err = yield(held)
		}
		if err != nil {
			return false, err
		}
		conn.Allow()
	}
	if _, err := rows.Close(); err != nil {
		return tooLarge(err), s.explain(err)
	}
	return false, nil
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
