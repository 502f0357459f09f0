package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/fairlead-dev/fairlead/internal/inflight"
	"github.com/fairlead-dev/fairlead/internal/pgserver"
	"github.com/fairlead-dev/fairlead/pipeline"
)

// Sink is a [pipeline.Sink] that writes to tables in PostgreSQL. All methods may be
// called from any goroutine, Close after all others but Write.
type Sink struct {
	o       Options
	server  *pgserver.Server // for calls that write, and those that check
	reader  *pgserver.Server // for ReadBack
	sql     statements
	columns []column
	metrics *metrics

	// sessions has one for each connection that there may be; who takes one out uses it
	// alone, and puts it back.
	sessions chan *session
	calls    inflight.Calls // of Write

	stop   context.CancelFunc // ends the purge
	purges sync.WaitGroup
}

// session is a connection, or the place for one.
type session struct {
	conn    *pgserver.Conn // nil: none
	warning string         // the server's last one
	encoder *encoder
}

// Open returns a sink. It reads the files of TLS, and connects to nothing: the first
// Write does, and makes the tables if they are not there. It starts a goroutine that
// removes rows after their retention, until Close.
func Open(o Options) (*Sink, error) {
	s, err := open(o.withDefaults())
	if err != nil {
		return nil, fmt.Errorf("sink in PostgreSQL: %w", err)
	}
	ctx, stop := context.WithCancel(context.Background())
	s.stop = stop
	if len(s.sql.purge) > 0 {
		s.purges.Go(func() { s.purgeForever(ctx) })
	}
	return s, nil
}

func open(o Options) (*Sink, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	s := &Sink{o: o, columns: columnsOf(o.Tables, o.Exact)}
	s.sql = newStatements(&s.o, s.columns)
	var err error
	if s.server, err = o.server(); err != nil {
		return nil, err
	}
	s.reader = s.server.With(maxRow)
	if s.metrics, err = newMetrics(o.Registerer); err != nil {
		return nil, err
	}
	s.sessions = make(chan *session, o.Connections)
	for range o.Connections {
		s.sessions <- &session{encoder: newEncoder(s.columns, o.Tables)}
	}
	return s, nil
}

// identity names the tables: where they are, and nothing about how to get there.
func identity(o *Options) string {
	return fmt.Sprintf("postgres://%s/%s/%s", strings.Join(o.Hosts, ","), o.Database, o.Schema)
}

// Close ends writes that are under way, the connections and the goroutine of Open. A later
// Write fails. No call of another method but Close may be under way or follow.
func (s *Sink) Close() error {
	if !s.calls.Close() {
		return nil
	}
	s.stop()
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	for range cap(s.sessions) {
		(<-s.sessions).drop(ctx)
	}
	s.purges.Wait()
	return nil
}

// Write writes a batch in one transaction of one trip. All of it is in the tables when
// it returns nil, nothing when it returns an error that is permanent; with another
// error it may be. It returns a pipeline.ErrOldTerm if the writer has a later term.
func (s *Sink) Write(ctx context.Context, batch []*pipeline.Change) error {
	if len(batch) == 0 {
		return ctx.Err()
	}
	ctx, done, err := s.calls.Begin(ctx)
	if err != nil {
		return fmt.Errorf("write to PostgreSQL: %w", err)
	}
	defer done()
	limit := fmt.Errorf("it took longer than %s (timeout=)", s.o.Timeout)
	ctx, cancel := context.WithTimeoutCause(ctx, s.o.Timeout, limit)
	defer cancel()
	var place *session
	select {
	case place = <-s.sessions:
	case <-ctx.Done():
		return fmt.Errorf("wait for a connection to PostgreSQL: %w", context.Cause(ctx))
	}
	defer func() { s.sessions <- place }()
	err = s.write(ctx, place, batch)
	// An answer that refuses a change leaves the connection as it was. After anything
	// else the next call has another one: the primary may be another server now.
	if err == nil {
		return nil
	}
	if !pipeline.IsPermanent(err) {
		place.drop(ctx)
	}
	if context.Cause(ctx) == limit { //nolint:errorlint // It is this very one.
		err = fmt.Errorf("%w: %w", limit, err)
	}
	return fmt.Errorf("write to PostgreSQL: %w", err)
}

func (s *Sink) write(ctx context.Context, place *session, batch []*pipeline.Change) error {
	e, err := place.encoder.encode(batch)
	if err != nil {
		return err
	}
	if place.conn == nil {
		if err := s.connect(ctx, place); err != nil {
			return err
		}
	}
	place.conn.Allow()
	done, err := s.send(ctx, place, e, batch)
	if err == nil && !done.fenced {
		if err = s.raise(ctx, place.conn, e.term); err == nil {
			done, err = s.send(ctx, place, e, batch)
		}
		if err == nil && !done.fenced {
			err = errors.New("the term of the writer changes while it is written; another process begins to deliver")
		}
	}
	if err != nil {
		return err
	}
	s.count(e, len(batch), done)
	return nil
}

// count counts what became of a batch.
func (s *Sink) count(e encoded, changes int, done outcome) {
	s.metrics.altered.Add(float64(e.altered))
	if s.o.Tables.state() {
		s.metrics.wrote("state", e.states, done.states)
	}
	if s.o.Tables.history() {
		s.metrics.wrote("history", changes, done.events)
	}
}

// connect gives a session a connection to the primary, which has the tables.
func (s *Sink) connect(ctx context.Context, place *session) error {
	conn, err := s.dial(ctx, place)
	if err != nil {
		return err
	}
	if err := s.prepare(ctx, conn, !s.o.NoMigrate); err != nil {
		conn.End(ctx)
		return err
	}
	place.conn = conn
	return nil
}

// dial connects to the primary. place, if any, gets its warnings.
func (s *Sink) dial(ctx context.Context, place *session) (*pgserver.Conn, error) {
	conn, err := s.server.Connect(ctx, place.hear)
	if err != nil {
		return nil, s.explain(err)
	}
	return conn, nil
}

// drop ends the connection of a session.
func (p *session) drop(ctx context.Context) {
	if p.conn != nil {
		p.conn.End(ctx)
		p.conn = nil
	}
}
