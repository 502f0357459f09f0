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
	"github.com/fairlead-dev/fairlead/sinks/s3"
	"github.com/fairlead-dev/fairlead/sinks/sinktest"
)

const page = "../../docs/sinks/s3.md"

// There is no AWS here, and neither DuckDB nor Athena.
func TestPage(t *testing.T) {
	testpages.Prove(t, page, map[string]testpages.Proof{
		"BUCKET/PREFIX/": testpages.By(".", "TestSegments"),
		"aws s3api ":     nil,
		"curl ":          makesABucket,
		`{"Version":`:    mayWrite,
		"fairlead run ":  testpages.By("../../cmd/internal/app", "TestCommandsOfPages"),
		"cat >":          testpages.By(".", "mayWrite"),
		"aws s3 cp ":     testpages.By(".", "TestPageAnswersItsQuestions"),
		"import (":       testpages.By(".", "TestPageAnswersItsQuestions"),
		"WITH last AS":   nil,
		"CREATE EXTERNA": nil,
	})
}

// A real curl makes the bucket as the page has it do that.
func makesABucket(t *testing.T, block string) {
	curl, err := exec.LookPath("curl")
	if err != nil {
		t.Skip("there is no curl here: ", err)
	}
	s := testsinks.StartVersityGW(t, nil)
	command := testpages.Commands(block)[0]
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
func mayWrite(t *testing.T, policy string) {
	s := testsinks.StartVersityGW(t, nil)
	file := testpages.Read(t, page).After("With keys in a file")
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
		segments := sinktest.Choose(t, kinds, strings.Replace(sink, "PREFIX", prefix, 1)).(*s3.Sink)
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
