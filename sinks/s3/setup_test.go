package s3_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/fairlead-dev/fairlead/internal/testpages"
	"github.com/fairlead-dev/fairlead/internal/testsinks"
	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/sinks"
	"github.com/fairlead-dev/fairlead/sinks/s3"
)

const page = "../../docs/sinks/s3.md"

// Each block of the page has a test, or is known to have none: there is no AWS here, and neither
// DuckDB nor Athena.
func TestPageIsTested(t *testing.T) {
	testpages.Read(t, page).Tested(map[string]string{
		"BUCKET/PREFIX/": "TestSegments",
		"aws s3api ":     "",
		"curl ":          "TestPageMakesABucket",
		`{"Version":`:    "TestPageSetUp",
		"fairlead run ":  "TestCommandsOfPages",
		"cat >":          "TestPageSetUp",
		"aws s3 cp ":     "TestPageAnswersItsQuestions",
		"import (":       "TestPageAnswersItsQuestions",
		"WITH last AS":   "",
		"CREATE EXTERNA": "",
	}, ".", "../../cmd/internal/app")
}

// setUp returns what the page says of the set-up.
func setUp(t *testing.T) *testpages.Page {
	t.Helper()
	return testpages.Read(t, page).Part("## Set-up")
}

// A real curl makes the bucket as the page has it do that.
func TestPageMakesABucket(t *testing.T) {
	curl, err := exec.LookPath("curl")
	if err != nil {
		t.Skip("there is no curl here: ", err)
	}
	s := testsinks.StartVersityGW(t, nil)
	command := testpages.Commands(setUp(t).After("Without that CLI, curl makes"))[0]
	if len(command) < 2 || command[0] != "curl" {
		t.Fatalf("the page has %v", command)
	}
	for i, word := range command {
		command[i] = strings.NewReplacer("https://minio.storage.svc:9000", s.URL, "$KEY:$SECRET", s.AccessKey+":"+s.SecretKey).Replace(word)
	}
	if text, err := exec.CommandContext(t.Context(), curl, command[1:]...).CombinedOutput(); err != nil { //nolint:gosec // It is the page's.
		t.Fatalf("%v: %v: %s", command, err, text)
	}
	o := options(s)
	o.Bucket = "audit"
	if err := open(t, o).Write(t.Context(), []*pipeline.Change{change("a", 1)}); err != nil {
		t.Error(err)
	}
}

// With the keys in a file as the page shows it, and the one right that it asks for, the sink
// writes and is checked. It may write nowhere else.
func TestPageSetUp(t *testing.T) {
	s := testsinks.StartVersityGW(t, nil)
	blocks := setUp(t).Blocks()
	var policy, file string
	for _, b := range blocks {
		if b.Language == "json" {
			policy = b.Text
		}
		if strings.HasPrefix(b.Text, "cat >") {
			file = b.Text
		}
	}
	_, keys, ok := strings.Cut(file, "<<EOF\n")
	keys, rest, ends := strings.Cut(keys, "EOF\n")
	user := regexp.MustCompile(`(?m)^aws_access_key_id = (\S+)$`).FindStringSubmatch(keys)
	if !ok || !ends || user == nil || !strings.Contains(keys, "\naws_secret_access_key = ...\n") {
		t.Fatalf("the page has the file %q", file)
	}
	const secret = "a-guests-s3cret"
	path := filepath.Join(t.TempDir(), "s3")
	if err := os.WriteFile(path, []byte(strings.Replace(keys, "...", secret, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	s.AddUser(t, user[1], secret)
	allow(t, s, "my-audit", user[1], policy)

	// The sink of the page, with another host, and the bucket that the right is for.
	sink := testpages.Commands(rest)[0].Flag("--sink")[0]
	sink = strings.NewReplacer("minio.storage.svc:9000/audit", s.Host+"/my-audit/PREFIX", "/etc/fairlead/s3", path, "&ca=/etc/fairlead/ca.crt", "&tls=false").Replace(sink)
	for prefix, may := range map[string]bool{"fairlead": true, "elsewhere": false} {
		spec, err := kinds.Parse(strings.Replace(sink, "PREFIX", prefix, 1))
		if err != nil {
			t.Fatal(err)
		}
		opened, err := spec.Open(t.Context(), sinks.Env{})
		if err != nil {
			t.Fatal(err)
		}
		segments := opened.(*s3.Sink)
		defer segments.Close()
		for what, err := range map[string]error{
			"Check": segments.Check(t.Context()), "Write": segments.Write(t.Context(), []*pipeline.Change{change("a", 1)}),
		} {
			if may && err != nil || !may && (err == nil || !strings.Contains(err.Error(), "allow s3:PutObject")) {
				t.Errorf("%s below %s: %v", what, prefix, err)
			}
		}
	}
}

// allow makes a bucket of which a user may do what a policy of AWS for a role says.
func allow(t *testing.T, s *testsinks.S3, bucket, user, policy string) {
	t.Helper()
	var of struct {
		Version   string
		Statement []map[string]any
	}
	if err := json.Unmarshal([]byte(policy), &of); err != nil || len(of.Statement) != 1 {
		t.Fatalf("%v in %s", err, policy)
	}
	of.Statement[0]["Principal"] = map[string]any{"AWS": user} // a bucket's policy says of whom it is
	text, err := json.Marshal(of)
	if err != nil {
		t.Fatal(err)
	}
	client, err := minio.New(s.Host, &minio.Options{Creds: credentials.NewStaticV4(s.AccessKey, s.SecretKey, "")})
	if err != nil {
		t.Fatal(err)
	}
	if err := client.MakeBucket(t.Context(), bucket, minio.MakeBucketOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := client.SetBucketPolicy(t.Context(), bucket, string(text)); err != nil {
		t.Fatal(err)
	}
}
