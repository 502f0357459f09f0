package s3_test

import (
	"bytes"
	"crypto/tls"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fairlead-dev/fairlead/internal/credentials"
	"github.com/fairlead-dev/fairlead/internal/loopback"
	"github.com/fairlead-dev/fairlead/internal/testserver"
	"github.com/fairlead-dev/fairlead/internal/testsinks"
	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/sinks/s3"
	"github.com/fairlead-dev/fairlead/sinks/sinktest"
)

// bucket returns an empty bucket of a server that tests share.
func bucket(t *testing.T, s *testsinks.S3) *testsinks.S3 {
	t.Helper()
	dir, err := os.MkdirTemp(s.Folder, "bucket-*")
	if err != nil {
		t.Fatal(err)
	}
	own := *s
	own.Bucket = filepath.Base(dir)
	return &own
}

func TestConformance(t *testing.T) {
	server := testsinks.StartVersityGW(t, nil)
	for name, set := range map[string]func(*s3.Options){
		"zstd":  func(*s3.Options) {},
		"plain": func(o *s3.Options) { o.NoCompression, o.NoChecksum, o.Prefix = true, true, "" },
	} {
		t.Run(name, func(t *testing.T) {
			sinktest.Run(t, func(t *testing.T) (pipeline.Sink, func() []pipeline.Event) {
				s := bucket(t, server)
				o := options(s)
				set(&o)
				return open(t, o), func() []pipeline.Event { return readEvents(t, s) }
			})
		})
	}
}

func TestOutages(t *testing.T) {
	sinktest.RunOutages(t, func(t *testing.T) sinktest.Stand {
		s := testsinks.StartVersityGW(t, nil)
		return sinktest.Stand{
			Sink: open(t, options(s)), Events: func() []pipeline.Event { return readEvents(t, s) },
			Stop: func() { s.Kill(t) }, Start: func() { s.Start(t) },
			Hang: func() { s.Pause(t) }, Resume: func() { s.Resume(t) },
			Waits: func() bool { return loopback.Unread(s.Host) },
			Open:  func() pipeline.Sink { return open(t, options(s)) },
		}
	})
}

// TestSegments: one for each cluster, and the same write makes the same.
func TestSegments(t *testing.T) {
	s := testsinks.StartVersityGW(t, nil)
	sink := open(t, options(s))
	batch := []*pipeline.Change{change("prod/eu 1", 1), change("..", 1), change("prod/eu 1", 2), change("prod/eu 1", 3)}
	if err := sink.Write(t.Context(), batch); err != nil {
		t.Fatal(err)
	}
	got := objects(t, s)
	want := []string{
		"audit/a b/v1/cluster=../dt=2026-11-27/hh=23/00000000000000000003-00000000000000000101-9a300b8134e8c3f9.ndjson.zst",
		"audit/a b/v1/cluster=prod%2Feu%201/dt=2026-11-27/hh=23/00000000000000000003-00000000000000000101-26c149a85c611984.ndjson.zst",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("keys (-want +got):\n%s", diff)
	}
	contents := func() (all [][]byte) {
		for _, key := range objects(t, s) {
			text, err := os.ReadFile(filepath.Join(s.Folder, s.Bucket, key))
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, text)
		}
		return all
	}
	before := contents()
	other := open(t, options(s)) // another process
	if err := other.Write(t.Context(), slices.Clone(batch)); err != nil {
		t.Fatal(err)
	}
	if after := contents(); !slices.EqualFunc(before, after, bytes.Equal) {
		t.Errorf("the same write has made %q of %q", objects(t, s), got)
	}
	if err := other.Write(t.Context(), batch[:3]); err != nil {
		t.Fatal(err)
	}
	if n := len(objects(t, s)); n != 3 {
		t.Errorf("%d segments after a write of other changes, want 3", n)
	}
}

// TestWhatIsWrong: each is tried again, and the error says what to do and no secret.
func TestWhatIsWrong(t *testing.T) {
	s := testsinks.StartVersityGW(t, nil)
	s.AddUser(t, "guest", "guests-s3cret-key")
	const canary = "c4n4ry/wr0ng+s3cret"
	for name, tt := range map[string]struct {
		set  func(*s3.Options)
		want []string
	}{
		"a wrong secret":   {func(o *s3.Options) { o.Credentials = keys(s.AccessKey, canary) }, []string{"SignatureDoesNotMatch", "the keys are wrong"}},
		"an unknown key":   {func(o *s3.Options) { o.Credentials = keys("nobody", canary) }, []string{"InvalidAccessKeyId", "the keys are wrong"}},
		"no right":         {func(o *s3.Options) { o.Credentials = keys("guest", "guests-s3cret-key") }, []string{"AccessDenied", "allow s3:PutObject on arn:aws:s3:::changes/audit/a b/v1/*"}},
		"a missing bucket": {func(o *s3.Options) { o.Bucket = "nowhere" }, []string{"NoSuchBucket", "make the bucket"}},
		"a wrong region":   {func(o *s3.Options) { o.Region = "eu-north-7" }, []string{"set region"}},
		"no file": {func(o *s3.Options) { o.Credentials = s3.FromFile("/nowhere/keys", "") },
			[]string{"get the keys for S3", "/nowhere/keys"}},
		"no such host": {func(o *s3.Options) { o.Host = "127.0.0.1:1" }, []string{"refused"}},
	} {
		t.Run(name, func(t *testing.T) {
			o := options(s)
			tt.set(&o)
			sink := open(t, o)
			for what, err := range map[string]error{
				"Write": sink.Write(t.Context(), []*pipeline.Change{change("a", 1), change("b", 2)}),
				"Check": sink.Check(t.Context()),
			} {
				if err == nil || pipeline.IsPermanent(err) {
					t.Errorf("%s: %v, want an error that is tried again", what, err)
					continue
				}
				if _, partial := errors.AsType[*pipeline.BatchError](err); partial {
					t.Errorf("%s: it is about single changes: %v", what, err)
				}
				for _, want := range tt.want {
					if !strings.Contains(err.Error(), want) {
						t.Errorf("%s: %v: it does not say %q", what, err, want)
					}
				}
				if strings.Contains(err.Error(), canary) || strings.Contains(err.Error(), "\n") {
					t.Errorf("%s: %v: it shows the secret, or several lines", what, err)
				}
			}
		})
	}
	if keys := objects(t, s); len(keys) > 0 {
		t.Errorf("it has left %q", keys)
	}
}

// TestCheckLeavesNothing of one who may write.
func TestCheckLeavesNothing(t *testing.T) {
	s := testsinks.StartVersityGW(t, nil)
	for _, plain := range []bool{false, true} {
		o := options(s)
		o.NoChecksum = plain
		if err := open(t, o).Check(t.Context()); err != nil {
			t.Errorf("without checksum %v: %v", plain, err)
		}
	}
	if keys := objects(t, s); len(keys) > 0 {
		t.Errorf("it has left %q", keys)
	}
}

// TestKeysAreReadAgain when the file is replaced.
func TestKeysAreReadAgain(t *testing.T) {
	s := testsinks.StartVersityGW(t, nil)
	file := filepath.Join(t.TempDir(), "keys")
	write := func(secret string) {
		text := "# by hand\n[other]\naws_access_key_id=x\naws_secret_access_key=y\n\n[fairlead]\naws_access_key_id = " + s.AccessKey + "\naws_secret_access_key = " + secret + "\n[last]\n"
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	o := options(s)
	o.Credentials = s3.FromFile(file, "fairlead")
	sink := open(t, o)
	write("old-s3cret")
	if err := sink.Write(t.Context(), []*pipeline.Change{change("a", 1)}); err == nil || strings.Contains(err.Error(), "old-s3cret") {
		t.Fatalf("with an old secret: %v", err)
	}
	write(s.SecretKey)
	if err := sink.Write(t.Context(), []*pipeline.Change{change("a", 1)}); err != nil {
		t.Error(err)
	}
}

func TestTLS(t *testing.T) {
	files := testserver.NewTLS(t)
	s := testsinks.StartVersityGW(t, files)
	o := options(s)
	own := credentials.TLS{CA: files.CA}
	o.TLS = func(host string) (*tls.Config, error) { return own.For(host).Config() }
	if err := open(t, o).Write(t.Context(), []*pipeline.Change{change("a", 1)}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(1, len(readEvents(t, s))); diff != "" {
		t.Error(diff)
	}
	o.TLS = func(host string) (*tls.Config, error) { return credentials.TLS{}.For(host).Config() }
	if err := open(t, o).Write(t.Context(), []*pipeline.Change{change("a", 1)}); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("a server that no known CA has signed: %v", err)
	}
	o.TLS = nil
	if err := open(t, o).Write(t.Context(), []*pipeline.Change{change("a", 1)}); err == nil {
		t.Error("without TLS it succeeds")
	}
}
