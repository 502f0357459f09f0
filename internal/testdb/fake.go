package testdb

import (
	"context"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"
)

// FakePostgres is one connection of a server that answers as a test says, in the
// protocol of PostgreSQL.
type FakePostgres struct{ *pgproto3.Backend }

// StartFakePostgres starts such a server, which takes each client without asking for a
// password. answer is called with each statement; where it returns false, the answer is
// what every server says of itself, or nothing. The server ends with the test.
func StartFakePostgres(t testing.TB, answer func(f *FakePostgres, statement string) bool) (addr string) {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
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
				defer conn.Close()                                                  //nolint:errcheck // It has ended, in one way or another.
				(&FakePostgres{pgproto3.NewBackend(conn, conn)}).serve(answer)
			})
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		served.Wait() // clients have left by now
	})
	return listener.Addr().String()
}

func (f *FakePostgres) serve(answer func(*FakePostgres, string) bool) {
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

// healthy answers as every server does, or with nothing.
func (f *FakePostgres) healthy(statement string) {
	switch {
	case strings.HasPrefix(statement, "SELECT pg_is_in_recovery()::text, current_setting"):
		f.Rows([]string{"false", "off", "on"})
	default:
		f.Send(&pgproto3.NoData{})
		f.Done()
	}
}

// Head begins an answer of so many columns of text.
func (f *FakePostgres) Head(columns int) {
	fields := make([]pgproto3.FieldDescription, columns)
	for i := range fields {
		fields[i] = pgproto3.FieldDescription{Name: []byte("a"), DataTypeOID: 25, DataTypeSize: -1, TypeModifier: -1}
	}
	f.Send(&pgproto3.RowDescription{Fields: fields})
}

// Row adds a row to it.
func (f *FakePostgres) Row(values ...string) {
	row := make([][]byte, len(values))
	for i, value := range values {
		row[i] = []byte(value)
	}
	f.Send(&pgproto3.DataRow{Values: row})
}

// Done ends it.
func (f *FakePostgres) Done() { f.Send(&pgproto3.CommandComplete{CommandTag: []byte("SELECT")}) }

// Rows answers with those rows, which have as many columns as the first.
func (f *FakePostgres) Rows(rows ...[]string) {
	f.Head(len(rows[0]))
	for _, values := range rows {
		f.Row(values...)
	}
	f.Done()
}
