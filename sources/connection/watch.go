package connection

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

const (
	// watchReadBuffer is what a watch's HTTP reader holds for as long as the
	// watch is open: enough for the head of an answer and of each chunk. What
	// is longer is read past it, but for trailers, which no API server sends: an
	// answer with longer ones ends with an error instead of an EOF.
	watchReadBuffer = 1 << 10
	// maxHead bounds the head of an answer, in bytes as they are sent.
	maxHead = 1 << 20
)

var (
	errHeadTooLong = errors.New("the head of the answer is longer than 1 MiB")
	errSwitched    = errors.New("the server answers with another protocol, which nobody asked for")
)

// watchTransport gives each watch a connection of its own, HTTP/1.1: that is 30%
// cheaper to read than a shared HTTP/2 connection, and a stalled watch holds up
// no other. It does what http.Transport does for such a request, but without the
// two goroutines and the buffers that this keeps for each connection: whoever
// reads the body reads the socket. All that is no watch, and what goes through a
// proxy, it leaves to http.Transport.
type watchTransport struct {
	plain *http.Transport
}

func (t *watchTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Body != nil || !strings.Contains(req.URL.RawQuery, "watch=true") {
		return t.plain.RoundTrip(req)
	}
	if proxy := t.plain.Proxy; proxy != nil {
		if through, err := proxy(req); err != nil || through != nil {
			return t.plain.RoundTrip(req)
		}
	}
	ctx := req.Context()
	conn, socket, err := t.connect(ctx, req)
	if err != nil {
		return nil, err
	}
	b := &watchBody{ctx: ctx, conn: conn, socket: socket, head: maxHead}
	b.release = context.AfterFunc(ctx, func() { _ = conn.Close() })
	resp, err := t.exchange(req, b)
	if err != nil {
		_ = b.Close()
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return nil, err
	}
	b.head = -1
	b.body, resp.Body = resp.Body, b
	return resp, nil
}

// connect dials, and speaks TLS if it is to.
func (t *watchTransport) connect(ctx context.Context, req *http.Request) (conn, socket net.Conn, err error) {
	port := req.URL.Port()
	secure := req.URL.Scheme == "https"
	switch {
	case port != "":
	case secure:
		port = "443"
	default:
		port = "80"
	}
	raw, err := t.plain.DialContext(ctx, "tcp", net.JoinHostPort(req.URL.Hostname(), port))
	if err != nil {
		return nil, nil, err
	}
	socket = frugal(raw)
	if !secure {
		return socket, socket, nil
	}
	config := t.plain.TLSClientConfig.Clone()
	if config.ServerName == "" {
		config.ServerName = req.URL.Hostname()
	}
	secured := tls.Client(socket, config)
	ctx, cancel := context.WithTimeout(ctx, t.plain.TLSHandshakeTimeout)
	defer cancel()
	if err := secured.HandshakeContext(ctx); err != nil {
		_ = socket.Close()
		return nil, nil, fmt.Errorf("TLS handshake: %w", err)
	}
	return secured, socket, nil
}

// exchange sends the request and reads the head of the answer.
func (t *watchTransport) exchange(req *http.Request, b *watchBody) (*http.Response, error) {
	if err := b.conn.SetDeadline(time.Now().Add(t.plain.ResponseHeaderTimeout)); err != nil {
		return nil, err
	}
	if err := req.Write(b.conn); err != nil {
		return nil, err
	}
	from := bufio.NewReaderSize(b.headReader(), watchReadBuffer)
	for {
		resp, err := http.ReadResponse(from, req)
		if err != nil {
			return nil, err
		}
		switch {
		case resp.StatusCode == http.StatusSwitchingProtocols: // no more HTTP follows
			return nil, errSwitched
		case resp.StatusCode/100 != 1: // not what precedes the answer
			err := b.conn.SetDeadline(time.Time{})
			gather(b.socket)
			return resp, err
		}
	}
}

// watchBody is the body of an answer, and the connection that it comes through.
type watchBody struct {
	ctx     context.Context //nolint:containedctx // Of the request whose body this is.
	conn    net.Conn
	socket  net.Conn // below conn, or conn
	body    io.Reader
	head    int // bytes that may still be read of the head; negative: that is over
	release func() bool
}

// headReader reads the connection, and fails if the head does not end.
func (b *watchBody) headReader() io.Reader { return headReader{b} }

type headReader struct{ *watchBody }

func (r headReader) Read(p []byte) (int, error) {
	if r.head < 0 {
		return r.conn.Read(p)
	}
	if r.head == 0 {
		return 0, errHeadTooLong
	}
	n, err := r.conn.Read(p[:min(len(p), r.head)])
	r.head -= n
	return n, err
}

func (b *watchBody) Read(p []byte) (int, error) {
	n, err := b.body.Read(p)
	if err != nil && b.ctx.Err() != nil {
		err = context.Cause(b.ctx) // also for EOF: a server may answer to the closing
	}
	return n, err
}

// Close closes the connection. It does not read what is left, which may never
// end.
func (b *watchBody) Close() error {
	b.release()
	return b.conn.Close()
}
