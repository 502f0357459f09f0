package testsinks

import (
	"cmp"
	"context"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fairlead-dev/fairlead/internal/testserver"
)

// S3 is a versitygw with one bucket.
type S3 struct {
	*testserver.Server
	// Host is 127.0.0.1:PORT.
	Host string
	// Bucket is the bucket that is there.
	Bucket string
	// AccessKey and SecretKey are those of the owner of all.
	AccessKey, SecretKey string
	// Folder holds the buckets, as a folder each.
	Folder string

	users string // the folder with the users
}

// StartVersityGW starts a versitygw. TLS is for clients; nil: without.
func StartVersityGW(t testing.TB, files *testserver.TLS) *S3 {
	t.Helper()
	s := newS3()
	s.start(t, files)
	return s
}

// StartVersityGWIn is StartVersityGW, without TLS, with a folder for its buckets, such as one on a
// volume of the test's own.
func StartVersityGWIn(t testing.TB, folder string) *S3 {
	t.Helper()
	s := newS3()
	s.Folder = folder
	s.start(t, nil)
	return s
}

func newS3() *S3 { return &S3{Bucket: "changes", AccessKey: "owner", SecretKey: "a-s3cret-of-tests"} }

// StartAnother starts another one, without TLS, with the same users and the same buckets:
// what one has taken, the other one has too.
func (s *S3) StartAnother(t testing.TB) *S3 {
	t.Helper()
	other := *s
	other.start(t, nil)
	return &other
}

// start starts one with the folders that there are, or with its own.
func (s *S3) start(t testing.TB, files *testserver.TLS) {
	t.Helper()
	s.Server, _ = testserver.Prepare(t, "versitygw", find(t, VersityGW), files)
	_, s.Host, _ = strings.Cut(s.URL, "://")
	s.users, s.Folder = cmp.Or(s.users, s.Dir), cmp.Or(s.Folder, filepath.Join(s.Dir, "buckets"))
	if err := os.MkdirAll(filepath.Join(s.Folder, s.Bucket), 0o700); err != nil {
		t.Fatal(err)
	}
	s.Args = []string{"--port", s.Host, "--access", s.AccessKey, "--secret", s.SecretKey, "--health", "/health", "--quiet", "--keep-alive", "--iam-dir", s.users}
	if files != nil {
		s.Args = append(s.Args, "--cert", files.ServerCert, "--key", files.ServerKey)
	}
	s.Args = append(s.Args, "posix", s.Folder)
	s.Ready = func(ctx context.Context) error { return s.Call(ctx, http.MethodGet, "/health", nil, nil, nil) }
	s.Start(t)
}

// AddUser adds a user, who may do nothing that no bucket allows.
func (s *S3) AddUser(t testing.TB, access, secret string) {
	t.Helper()
	command := exec.CommandContext(t.Context(), find(t, VersityGW), "admin", "--access", s.AccessKey, "--secret", s.SecretKey, "--endpoint-url", s.URL,
		"create-user", "--access", access, "--secret", secret, "--role", "user")
	if text, err := command.CombinedOutput(); err != nil {
		t.Fatalf("add a user: %v: %s", err, text)
	}
}
