package s3_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log" //nolint:depguard // As net/http wants it.
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fairlead-dev/fairlead/internal/testca"
	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/sinks"
	"github.com/fairlead-dev/fairlead/sinks/s3"
)

// store is no S3: it says what a test wants it to say, and keeps what it accepts.
type store struct {
	*httptest.Server
	mu     sync.Mutex
	answer func(w http.ResponseWriter, r *http.Request, body []byte) bool // true: it has answered
	bodies map[string][]byte
}

func fake(t *testing.T, answer func(w http.ResponseWriter, r *http.Request, body []byte) bool) (*store, *s3.Sink) {
	t.Helper()
	s := &store{answer: answer, bodies: map[string][]byte{}}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	return s, open(t, s3.Options{Host: strings.TrimPrefix(s.URL, "http://"), Bucket: "bucket", Credentials: keys("key", "s3cret-of-the-key"), NoCompression: true})
}

func (s *store) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.answer != nil && s.answer(w, r, body) {
		return
	}
	s.bodies[r.URL.Path] = body
	w.Header().Set("Etag", fmt.Sprintf("%q", fmt.Sprint("of ", len(body))))
}

// says answers with an error of S3.
func says(w http.ResponseWriter, status int, code, message string) bool {
	w.WriteHeader(status)
	_, _ = fmt.Fprintf(w, "<Error><Code>%s</Code><Message>%s</Message></Error>", code, message)
	return true
}

func TestAnswers(t *testing.T) {
	for name, tt := range map[string]struct {
		status        int
		code, message string
		header        string // Retry-After
		want          string
		after         time.Duration
	}{
		"slow down":      {503, "SlowDown", "Please reduce your request rate.", "7", "raise age and size", 7 * time.Second},
		"for ever":       {503, "SlowDown", "", "99999999", "raise age and size", 10 * time.Minute},
		"too many":       {429, "TooManyRequests", "", "", "raise age and size", 0},
		"inside":         {500, "InternalError", "We encountered an internal error.", "", "InternalError (500)", 0},
		"expired":        {400, "ExpiredToken", "The token has expired.", "", "the keys have expired", 0},
		"another region": {301, "PermanentRedirect", "", "", "another region", 0},
		"the clock":      {403, "RequestTimeTooSkewed", "", "", "mend the clock", 0},
		"damaged":        {400, "BadDigest", "", "", "something on the way", 0},
		"unknown":        {400, "InvalidStorageClass", "", "", "InvalidStorageClass (400)", 0},
		"long":           {403, "AccessDenied", strings.Repeat("x", 2000), "", "allow s3:PutObject on arn:aws:s3:::bucket/v1/*", 0},
		"hostile":        {403, "AccessDenied", "you sent s3cret-of-the-key\r\n\u202e" + strings.Repeat("x", 2000), "", "[redacted]", 0},
	} {
		t.Run(name, func(t *testing.T) {
			_, sink := fake(t, func(w http.ResponseWriter, _ *http.Request, _ []byte) bool {
				if tt.header != "" {
					w.Header().Set("Retry-After", tt.header)
				}
				return says(w, tt.status, tt.code, tt.message)
			})
			err := sink.Write(t.Context(), []*pipeline.Change{change("a", 1)})
			if err == nil || pipeline.IsPermanent(err) || !strings.Contains(err.Error(), tt.want) || len(err.Error()) > 600 || strings.ContainsAny(err.Error(), "\r\n\x1b") {
				t.Errorf("%v, want %q", err, tt.want)
			}
			if d, _ := pipeline.RetryDelay(err); d < tt.after || d > tt.after+tt.after/10 {
				t.Errorf("to be tried again after %v, want %v and up to a tenth", d, tt.after)
			}
		})
	}
}

// TestTooLarge: a segment that is too large is divided, until one change is.
func TestTooLarge(t *testing.T) {
	s, sink := fake(t, func(w http.ResponseWriter, _ *http.Request, body []byte) bool {
		return len(body) > 2000 && says(w, 400, "EntityTooLarge", "Your proposed upload exceeds the maximum allowed size")
	})
	var batch []*pipeline.Change
	for n := range 9 {
		batch = append(batch, change("a", n))
	}
	batch[5].Object = []byte(`"` + strings.Repeat("x", 2000) + `"`)
	batch = append(batch, change("b", 1))
	err := sink.Write(t.Context(), batch)
	partial, ok := err.(*pipeline.BatchError) //nolint:errorlint // It is to be the error itself.
	if !ok || len(partial.Failed) != 1 || !pipeline.IsPermanent(partial.Failed[5]) {
		t.Fatalf("%v, want change 5 to be refused for good, and nothing else", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	lines := 0
	for _, body := range s.bodies {
		lines += strings.Count(string(body), "\n")
	}
	if lines != 9 {
		t.Errorf("%d events are stored, want 9", lines)
	}
}

// TestWhoStores: a success counts only of one who names what he has stored.
func TestWhoStores(t *testing.T) {
	for name, tt := range map[string]struct {
		header     map[string]string
		noChecksum bool
		want       string // "" is success
	}{
		"a page":                  {map[string]string{"Content-Type": "text/html"}, false, "none of S3"},
		"a page, no checksum":     {map[string]string{"Content-Type": "text/html"}, true, "none of S3"},
		"a page with a weak ETag": {map[string]string{"Etag": `W/"1c-19a3"`}, false, "none of S3"},
		"another checksum":        {map[string]string{"Etag": `"1"`, "x-amz-checksum-crc32c": "AAAAAA=="}, false, "what arrived is not what was sent"},
		"another of no interest":  {map[string]string{"Etag": `"1"`, "x-amz-checksum-crc32c": "AAAAAA=="}, true, ""},
		"the checksum":            {map[string]string{"x-amz-checksum-crc32c": "sent"}, false, ""},
		"an ETag":                 {map[string]string{"Etag": `"1"`}, false, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s, _ := fake(t, func(w http.ResponseWriter, r *http.Request, _ []byte) bool {
				for name, value := range tt.header {
					if value == "sent" {
						value = r.Header.Get("x-amz-checksum-crc32c")
					}
					w.Header().Set(name, value)
				}
				_, _ = io.WriteString(w, "<html>Please log in</html>")
				return true
			})
			sink := open(t, s3.Options{Host: strings.TrimPrefix(s.URL, "http://"), Bucket: "bucket", Credentials: keys("key", "secret"), NoChecksum: tt.noChecksum})
			err := sink.Write(t.Context(), []*pipeline.Change{change("a", 1)})
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || pipeline.IsPermanent(err) || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("%v, want %q", err, tt.want)
			}
			if err := sink.Check(t.Context()); tt.want == "none of S3" && !tt.noChecksum && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("check: %v, want %q", err, tt.want)
			}
		})
	}
}

// TestAFullStore: no store that says that it is full has a change refused for good, and the
// error says what to do. Nothing here is full: these are the answers of AWS's protocol and of
// MinIO.
func TestAFullStore(t *testing.T) {
	for code, status := range map[string]int{"XMinioStorageFull": 507, "InsufficientStorage": 507, "QuotaExceeded": 403, "XMinioAdminBucketQuotaExceeded": 400} {
		full := true
		s, sink := fake(t, func(w http.ResponseWriter, _ *http.Request, _ []byte) bool { return full && says(w, status, code, "") })
		batch := []*pipeline.Change{change("a", 1), change("a", 2)}
		err := sink.Write(t.Context(), batch)
		if _, partial := errors.AsType[*pipeline.BatchError](err); err == nil || partial || pipeline.IsPermanent(err) || !strings.Contains(err.Error(), code) || !strings.Contains(err.Error(), "the store is full: make room") {
			t.Errorf("%s: %v", code, err)
		}
		if full = false; sink.Write(t.Context(), batch) != nil || len(s.bodies) != 1 {
			t.Errorf("%s: once there is room: %d segments", code, len(s.bodies))
		}
	}
}

// TestOneClusterFails: the others' changes are accepted. Its own are refused if that may be
// of its prefix; otherwise the store fails.
func TestOneClusterFails(t *testing.T) {
	for name, tt := range map[string]struct {
		answer func(w http.ResponseWriter) bool
		outage bool
		after  time.Duration
	}{
		"slow down": {func(w http.ResponseWriter) bool {
			w.Header().Set("Retry-After", "7")
			return says(w, 503, "SlowDown", "")
		}, true, 7 * time.Second},
		"expired":   {func(w http.ResponseWriter) bool { return says(w, 400, "ExpiredToken", "") }, true, 0},
		"cut off":   {func(http.ResponseWriter) bool { panic(http.ErrAbortHandler) }, true, 0},
		"denied":    {func(w http.ResponseWriter) bool { return says(w, 403, "AccessDenied", "") }, false, 0},
		"a bad key": {func(w http.ResponseWriter) bool { return says(w, 400, "KeyTooLongError", "") }, false, 0},
	} {
		t.Run(name, func(t *testing.T) {
			s, sink := fake(t, func(w http.ResponseWriter, r *http.Request, _ []byte) bool {
				return strings.Contains(r.URL.Path, "cluster=b") && tt.answer(w)
			})
			var batch []*pipeline.Change
			for n := range 30 {
				batch = append(batch, change(string(rune('a'+n%3)), n))
			}
			err := sink.Write(t.Context(), batch)
			partial, ok := err.(*pipeline.BatchError) //nolint:errorlint // It is to be the error itself.
			if !ok || len(partial.Failed) != 10 {
				t.Fatalf("%v, want 10 changes", err)
			}
			for i, err := range partial.Failed {
				if d, _ := pipeline.RetryDelay(err); i%3 != 1 || pipeline.IsPermanent(err) || pipeline.IsOutage(err) != tt.outage || d < tt.after || d > tt.after+tt.after/10 {
					t.Errorf("change %d: %v, an outage: %v, after %v", i, err, !tt.outage, d)
				}
			}
			s.mu.Lock()
			defer s.mu.Unlock()
			if len(s.bodies) != 2 {
				t.Errorf("%d segments are stored", len(s.bodies))
			}
		})
	}
}

// stsAnswer is what an STS gives: a key, its secret, a session and their end.
const stsAnswer = `<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>key-%d</AccessKeyId><SecretAccessKey>secret-%d</SecretAccessKey><SessionToken>session-%d</SessionToken><Expiration>%s</Expiration></Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>`

// TestWebIdentity takes keys for a token, and again when they have expired.
func TestWebIdentity(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "token")
	token := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	asked := 0
	sts := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked++
		if r.FormValue("Action") != "AssumeRoleWithWebIdentity" || r.FormValue("RoleArn") != "arn:aws:iam::1:role/r" || r.FormValue("WebIdentityToken") != fmt.Sprint("token-", asked) {
			w.WriteHeader(http.StatusForbidden)
			_, _ = io.WriteString(w, "<ErrorResponse><Error><Code>InvalidIdentityToken</Code><Message>not "+r.FormValue("WebIdentityToken")+"</Message></Error></ErrorResponse>")
			return
		}
		_, _ = fmt.Fprintf(w, stsAnswer,
			asked, asked, asked, time.Now().Add(time.Duration(asked-1)*time.Hour).UTC().Format(time.RFC3339))
	}))
	t.Cleanup(sts.Close)
	var used []string
	s, _ := fake(t, func(_ http.ResponseWriter, r *http.Request, _ []byte) bool {
		used = append(used, r.Header.Get("X-Amz-Security-Token"))
		return false
	})
	sink := open(t, s3.Options{
		Host: strings.TrimPrefix(s.URL, "http://"), Bucket: "bucket",
		Credentials: s3.FromWebIdentity(file, "arn:aws:iam::1:role/r", sts.URL, "eu-1"),
	})
	for n := 1; n <= 3; n++ { // the first keys have expired at once, the second last
		token(fmt.Sprint("token-", min(n, 2)))
		if err := sink.Write(t.Context(), []*pipeline.Change{change("a", n)}); err != nil {
			t.Fatal(err)
		}
	}
	if got := strings.Join(used, " "); got != "session-1 session-2 session-2" {
		t.Errorf("used %s", got)
	}
	wrong := open(t, s3.Options{
		Host: strings.TrimPrefix(s.URL, "http://"), Bucket: "bucket",
		Credentials: s3.FromWebIdentity(file, "arn:aws:iam::1:role/r", sts.URL, "eu-1"),
	})
	err := wrong.Write(t.Context(), []*pipeline.Change{change("a", 4)})
	if err == nil || pipeline.IsPermanent(err) || !strings.Contains(err.Error(), "get the keys for S3: ask "+sts.URL) {
		t.Errorf("a token that is not taken: %v", err)
	}
}

// TestWebIdentityWithACA: an STS whose certificate is of a CA of one's own is asked over
// TLS, and so is the store; without that CA neither is.
func TestWebIdentityWithACA(t *testing.T) {
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte("token"), 0o600); err != nil {
		t.Fatal(err)
	}
	ca, err := testca.New("own")
	if err != nil {
		t.Fatal(err)
	}
	pair, err := ca.Server()
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := tls.X509KeyPair(pair.Cert, pair.Key)
	if err != nil {
		t.Fatal(err)
	}
	asked, stored := 0, ""
	start := func(handle http.HandlerFunc) string {
		s := httptest.NewUnstartedServer(handle)
		s.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12}
		s.Config.ErrorLog = log.New(io.Discard, "", 0) // of handshakes that are refused on purpose
		s.StartTLS()
		t.Cleanup(s.Close)
		return strings.TrimPrefix(s.URL, "https://")
	}
	sts := start(func(w http.ResponseWriter, _ *http.Request) {
		asked++
		_, _ = fmt.Fprintf(w, stsAnswer, 1, 1, 1, time.Now().Add(time.Hour).UTC().Format(time.RFC3339))
	})
	store := start(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		stored = r.Header.Get("X-Amz-Security-Token")
		w.Header().Set("ETag", `"1"`)
	})
	roots := filepath.Join(t.TempDir(), "ca.crt")
	if err := os.WriteFile(roots, ca.PEM(), 0o600); err != nil {
		t.Fatal(err)
	}
	write := func(params string) error {
		sts := url.QueryEscape("https://" + strings.Replace(sts, "127.0.0.1", "localhost", 1))
		spec, err := sinks.Kinds{s3.Kind()}.Parse("s3://" + store + "/bucket?credentials=web-identity&role-arn=r&sts=" + sts + "&token-file=" + file + params)
		if err != nil {
			t.Fatal(err)
		}
		sink, err := spec.Open(t.Context(), sinks.Env{})
		if err != nil {
			t.Fatal(err)
		}
		defer sink.(io.Closer).Close()
		return sink.Write(t.Context(), []*pipeline.Change{change("a", 1)})
	}
	for _, test := range []struct {
		name, params, want, stored string
		asked                      int
	}{
		{"without the CA", "", "get the keys for S3: ask https://localhost", "", 0},
		{"with the CA", "&ca=" + roots, "", "session-1", 1},
		{"with the name of both", "&server-name=localhost&ca=" + roots, "", "session-1", 1},
		{"with the name of neither", "&server-name=elsewhere&ca=" + roots, "elsewhere", "", 0},
	} {
		asked, stored = 0, ""
		err := write(test.params)
		if (err == nil) != (test.want == "") || err != nil && (!strings.Contains(err.Error(), test.want) || pipeline.IsPermanent(err)) || asked != test.asked || stored != test.stored {
			t.Errorf("%s: %v, asked %d times, stored with %q", test.name, err, asked, stored)
		}
	}
}

// TestASilentSTS: one that takes a request and does not answer holds up nothing for longer
// than the timeout, or than the writer wants.
func TestASilentSTS(t *testing.T) {
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte("token"), 0o600); err != nil {
		t.Fatal(err)
	}
	asked, end := make(chan struct{}, 100), make(chan struct{})
	sts := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		asked <- struct{}{}
		<-end
	}))
	t.Cleanup(sts.Close)
	t.Cleanup(func() { close(end) })
	s, _ := fake(t, nil)
	silent := func(timeout time.Duration) *s3.Sink {
		return open(t, s3.Options{
			Host: strings.TrimPrefix(s.URL, "http://"), Bucket: "bucket", Timeout: timeout,
			Credentials: s3.FromWebIdentity(file, "arn:aws:iam::1:role/r", sts.URL, "eu-1"),
		})
	}
	returned := make(chan error, 1)
	await := func(what string, ended error, says string) {
		t.Helper()
		select {
		case err := <-returned:
			if !errors.Is(err, ended) || pipeline.IsPermanent(err) || !strings.Contains(err.Error(), says) {
				t.Errorf("%s: %v, want %v, and %q", what, err, ended, says)
			}
		case <-time.After(time.Minute):
			t.Fatalf("%s: it has not returned", what)
		}
	}
	batch := []*pipeline.Change{change("a", 1), change("b", 1), change("c", 1)}
	sink := silent(100 * time.Millisecond)
	for _, what := range []string{"first write", "second write"} {
		go func() { returned <- sink.Write(t.Context(), batch) }()
		await(what, context.DeadlineExceeded, "get the keys for S3")
	}
	go func() { returned <- sink.Check(t.Context()) }()
	await("check", context.DeadlineExceeded, "get the keys for S3")

	for len(asked) > 0 {
		<-asked
	}
	ctx, cancel := context.WithCancel(t.Context())
	sink = silent(time.Hour)
	go func() { returned <- sink.Write(ctx, batch) }()
	<-asked
	cancel()
	await("write that is stopped", context.Canceled, "write to bucket")
}

func TestEnvironment(t *testing.T) {
	s, _ := fake(t, nil)
	sink := open(t, s3.Options{Host: strings.TrimPrefix(s.URL, "http://"), Bucket: "bucket", Credentials: s3.FromEnvironment()})
	t.Setenv("AWS_ACCESS_KEY_ID", "")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "")
	if err := sink.Write(t.Context(), []*pipeline.Change{change("a", 1)}); err == nil || !strings.Contains(err.Error(), "AWS_ACCESS_KEY_ID") {
		t.Errorf("without keys: %v", err)
	}
	t.Setenv("AWS_ACCESS_KEY_ID", "key")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
	if err := sink.Write(t.Context(), []*pipeline.Change{change("a", 1)}); err != nil {
		t.Error(err)
	}
}
