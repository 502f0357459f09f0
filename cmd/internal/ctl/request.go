package ctl

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/fairlead-dev/fairlead/cmd/internal/api"
	"github.com/fairlead-dev/fairlead/internal/redact"
)

// way is how a program is reached.
type way struct {
	url *url.URL
	// dial connects to the program; nil: as the URL says. Then pod is the Pod's name, and
	// pods are where it is.
	dial func(ctx context.Context, network, address string) (net.Conn, error)
	pods *pods
	pod  string
}

// answerWithin is how long a program may take to answer, with the way to it.
func (w *way) answerWithin() time.Duration {
	if w.pods == nil {
		return answerWithin
	}
	return max(answerWithin, w.pods.within+toTell)
}

// String is the URL, or the Pod.
func (w *way) String() string {
	if w.pod != "" {
		return "Pod " + w.pod
	}
	return w.url.String()
}

// unreachableError is the error of a request to which nothing has answered.
type unreachableError struct{ error }

// Unwrap returns what is wrong.
func (e *unreachableError) Unwrap() error { return e.error }

// unreachable is the error of a request to which nothing has answered.
func (w *way) unreachable(method string, u *url.URL, err error) error {
	if w.pod != "" {
		return &unreachableError{fmt.Errorf("%s %s in Pod %s: %w", method, u.Path, w.pod, err)}
	}
	return &unreachableError{fmt.Errorf("%s %s: %w; is fairlead run up there, with this --admin-bind-address? "+
		"Run this command where it runs, in its Pod for one, name its address with --admin, or its namespace with -n", method, u, err)}
}

// request is one of a Client.
type request struct {
	method, path string
	query        url.Values
	wait         time.Duration
	most         int64          // bytes of the answer
	as           []int          // status codes of an answer
	answer       any            // *[]byte: as it is, else decoded
	stream       *io.ReadCloser // gets the body of an answer, if it is not nil
	notes        io.Writer      // with stream: gets what the program has to say about it
}

// page is a request for what a program tells of itself.
func page(path string, answer any) request {
	return request{method: http.MethodGet, path: path, most: mostPage, as: []int{http.StatusOK}, answer: answer}
}

// send sends the request to a program.
func (r request) send(ctx context.Context, to *way) error {
	u := to.url.JoinPath(r.path)
	u.RawQuery = r.query.Encode()
	if r.stream == nil {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, r.wait+to.answerWithin())
		defer cancel()
	}
	req, err := http.NewRequestWithContext(ctx, r.method, u.String(), nil)
	if err != nil {
		return fmt.Errorf("%s %s: %w", r.method, u, err)
	}
	if u.Scheme == "http" {
		req.Host = "localhost" // names are refused there: a web page may have made them up
	}
	resp, err := direct(to.dial).Do(req)
	if err != nil {
		return to.unreachable(r.method, u, plain(err))
	}
	if r.stream != nil && slices.Contains(r.as, resp.StatusCode) {
		*r.stream = resp.Body
		if said := resp.Header.Get(api.NoteHeader); said != "" {
			_, err = fmt.Fprintln(r.notes, Visible(redact.Cut(said, redact.Longest)))
		}
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, r.most))
	if err != nil {
		return fmt.Errorf("%s %s: read the answer: %w", r.method, u, err)
	}
	if slices.Contains(r.as, resp.StatusCode) && r.take(body) {
		return nil
	}
	where := "name that with --admin"
	if to.pod != "" {
		where = "name its port with --admin-port"
	}
	return refusal(body, r.unknown(ctx, to, resp.StatusCode, fmt.Errorf("%s %s: what answers there (status %d) is not the admin address of fairlead run; %s", r.method, u, resp.StatusCode, where)))
}

// unknown is the error of an answer that says nothing: that the program does not know what it is
// asked for, if it is one that tells its version, and else other.
func (r request) unknown(ctx context.Context, to *way, code int, other error) error {
	if code != http.StatusNotFound && code != http.StatusMethodNotAllowed || r.path == versionPath {
		return other
	}
	var v api.Version
	if err := page(versionPath, &v).send(ctx, to); err != nil || v.Version == "" {
		return other
	}
	if !r.isAdmin(ctx, to) {
		where := "name that with --admin"
		if to.pod != "" {
			where = "name its port with --admin-port"
		}
		return fmt.Errorf("%s %s: what answers there is fairlead run, but not its --admin-bind-address, where commands go; %s", r.method, r.path, where)
	}
	return fmt.Errorf("this program (version %s) does not know %s %s, which this command needs; upgrade the program, or use the fairlead command of its version",
		Visible(redact.Cut(v.Version, mostVersion)), r.method, r.path)
}

// isAdmin reports whether a program's admin address answers, and not another one of it: that alone has
// flagsPath, in all versions.
func (r request) isAdmin(ctx context.Context, to *way) bool {
	var flags []byte
	return r.path == flagsPath || page(flagsPath, &flags).send(ctx, to) == nil
}

const (
	versionPath = "/version"
	flagsPath   = "/flags"
	mostVersion = 100 // bytes of a version that is shown
)

// take reports whether the body is such an answer.
func (r request) take(body []byte) bool {
	if text, ok := r.answer.(*[]byte); ok {
		*text = body
		return true
	}
	return json.Unmarshal(body, r.answer) == nil
}

// refusal returns the error that an answer says, or other if it says none.
func refusal(body []byte, other error) error {
	var said api.Error
	if err := json.Unmarshal(body, &said); err != nil || said.Error == "" {
		return other
	}
	if len(said.Known) > 0 {
		return errors.New(Visible(said.Error + "; there are: " + strings.Join(said.Known, ", ")))
	}
	err := errors.New(Visible(said.Error))
	if said.Leader != nil {
		return &followerError{err, *said.Leader}
	}
	return err
}

// direct goes to the address that is asked and to no other: it takes no proxy, and
// follows no redirect.
func direct(dial func(ctx context.Context, network, address string) (net.Conn, error)) *http.Client {
	return &http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true, DialContext: dial},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// plain is an error of a request without the request, fit to be shown: it may hold what
// the other side has said.
func plain(err error) error {
	if e, ok := errors.AsType[*url.Error](err); ok {
		err = e.Err
	}
	return redact.New().Error(err)
}
