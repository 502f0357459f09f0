package postgres_test

import (
	"context"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"
)

// fake is a server that answers as a test says.
type fake struct{ *pgproto3.Backend }

// startFake starts a server that answers as a healthy one does, with an empty table,
// unless the test answers: then answer returns true.
func startFake(t testing.TB, answer func(f *fake, statement string) bool) (addr string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var served sync.WaitGroup
	served.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			served.Go(func() {
				defer context.AfterFunc(t.Context(), func() { _ = conn.Close() })() // when the test ends
				defer conn.Close()
				(&fake{pgproto3.NewBackend(conn, conn)}).serve(answer)
			})
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		served.Wait() // locks are closed by now
	})
	return listener.Addr().String()
}

func (f *fake) serve(answer func(*fake, string) bool) {
	if start, err := f.ReceiveStartupMessage(); err != nil {
		return
	} else if _, ok := start.(*pgproto3.StartupMessage); !ok {
		return // to cancel
	}
	f.Send(&pgproto3.AuthenticationOk{})
	f.Send(&pgproto3.ReadyForQuery{TxStatus: 'I'})
	statement := ""
	for f.Flush() == nil {
		message, err := f.Receive()
		if err != nil {
			return
		}
		switch message := message.(type) {
		case *pgproto3.Query:
			if !answer(f, message.String) {
				f.healthy(message.String)
			}
			f.Send(&pgproto3.ReadyForQuery{TxStatus: 'I'})
		case *pgproto3.Parse:
			statement = message.Query
			f.Send(&pgproto3.ParseComplete{})
		case *pgproto3.Bind:
			f.Send(&pgproto3.BindComplete{})
		case *pgproto3.Execute:
			if !answer(f, statement) {
				f.healthy(statement)
			}
		case *pgproto3.Sync:
			f.Send(&pgproto3.ReadyForQuery{TxStatus: 'I'})
		case *pgproto3.Terminate:
			return
		}
	}
}

func (f *fake) healthy(statement string) {
	switch {
	case strings.HasPrefix(statement, "SELECT pg_is_in_recovery()::text, current_setting"):
		f.rows([]string{"false", "off", "on"})
	case strings.HasPrefix(statement, "SELECT pg_is_in_recovery()::text, l.version"):
		f.head(3)
		f.Send(&pgproto3.DataRow{Values: [][]byte{[]byte("false"), nil, nil}})
		f.done()
	case strings.HasPrefix(statement, "UPDATE"):
		f.rows([]string{"1"})
	default:
		f.Send(&pgproto3.NoData{})
		f.done()
	}
}

func (f *fake) head(columns int) {
	fields := make([]pgproto3.FieldDescription, columns)
	for i := range fields {
		fields[i] = pgproto3.FieldDescription{Name: []byte("a"), DataTypeOID: 25, DataTypeSize: -1, TypeModifier: -1}
	}
	f.Send(&pgproto3.RowDescription{Fields: fields})
}

func (f *fake) row(values ...string) {
	row := make([][]byte, len(values))
	for i, value := range values {
		row[i] = []byte(value)
	}
	f.Send(&pgproto3.DataRow{Values: row})
}

func (f *fake) done() { f.Send(&pgproto3.CommandComplete{CommandTag: []byte("SELECT")}) }

// rows answers with those rows, which have as many columns as the first.
func (f *fake) rows(rows ...[]string) {
	f.head(len(rows[0]))
	for _, values := range rows {
		f.row(values...)
	}
	f.done()
}
