package mysql_test

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
)

// fake is a server that answers as a test says.
type fake struct {
	net.Conn
	sequence byte
}

// startFake starts a server that answers as a healthy one does, with an empty table,
// unless the test answers: then answer returns true. To be silent it sends nothing.
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
				(&fake{Conn: conn}).serve(answer)
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
	_ = f.send("\x0a8.0.0\x00" + "\x01\x00\x00\x00" + "saltsalt\x00" + "\x09\xa2" + "\x2d" + "\x02\x00" + "\x08\x00" + "\x15" +
		strings.Repeat("\x00", 10) + "saltsaltsalt\x00" + "mysql_native_password\x00")
	if _, err := f.receive(); err != nil {
		return
	}
	f.ok(0, 0)
	for {
		command, err := f.receive()
		if err != nil || command[0] != 3 {
			return
		}
		if statement := command[1:]; !answer(f, statement) {
			f.healthy(statement)
		}
	}
}

func (f *fake) healthy(statement string) {
	switch {
	case strings.HasPrefix(statement, "SHOW GLOBAL VARIABLES"):
		f.rows(2, []string{"read_only", "OFF"}, []string{"innodb_flush_log_at_trx_commit", "1"})
	case strings.HasPrefix(statement, "SELECT @@global.read_only, "):
		f.rows(3, []string{"0", null, null})
	case strings.HasPrefix(statement, "SELECT "):
		f.rows(1, []string{"0"})
	default:
		f.ok(1, 1)
	}
}

func (f *fake) receive() (string, error) {
	var head [4]byte
	if _, err := io.ReadFull(f, head[:]); err != nil {
		return "", err
	}
	f.sequence = head[3] + 1
	body := make([]byte, int(head[0])|int(head[1])<<8|int(head[2])<<16)
	_, err := io.ReadFull(f, body)
	return string(body), err
}

// send sends a packet. Errors are those of a client that has left.
func (f *fake) send(body string) error {
	head := binary.LittleEndian.AppendUint32(nil, uint32(len(body))|uint32(f.sequence)<<24)
	f.sequence++
	_, err := f.Write(append(head, body...))
	return err
}

func (f *fake) ok(affected, id byte) {
	_ = f.send("\x00" + string([]byte{affected, id}) + "\x02\x00\x00\x00")
}

func (f *fake) fail(code uint16, message string) {
	_ = f.send("\xff" + string(binary.LittleEndian.AppendUint16(nil, code)) + "#HY000" + message)
}

const eof = "\xfe\x00\x00\x02\x00"

// head begins an answer with rows.
func (f *fake) head(columns int) {
	_ = f.send(string(rune(columns)))
	for range columns {
		_ = f.send("\x03def\x00\x00\x00\x01a\x00\x0c\x2d\x00\xff\x00\x00\x00\xfd\x00\x00\x00\x00\x00")
	}
	_ = f.send(eof)
}

const null = "NULL"

func (f *fake) row(values ...string) error {
	row := ""
	for _, value := range values {
		if value == null {
			row += "\xfb"
		} else {
			row += string(rune(len(value))) + value
		}
	}
	return f.send(row)
}

func (f *fake) rows(columns int, rows ...[]string) {
	f.head(columns)
	for _, values := range rows {
		_ = f.row(values...)
	}
	_ = f.send(eof)
}
