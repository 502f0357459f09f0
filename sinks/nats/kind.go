package nats

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	"github.com/fairlead-dev/fairlead/internal/credentials"
	"github.com/fairlead-dev/fairlead/internal/smallfile"
	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/sinks"
)

// Kind returns the kind of sink that is chosen by nats://HOST:PORT/STREAM. Its identity
// is the servers, the stream or bucket, and of a stream the prefix if one is given.
func Kind() sinks.Kind {
	return sinks.Kind{
		Form: sinks.Form{
			Scheme: "nats", Usage: "nats://HOST:PORT[,HOST...]/STREAM",
			Summary:     "CloudEvents in a stream of NATS JetStream, or with mode=kv the last one of each object in a bucket of that name",
			Rest:        sinks.URL,
			Credentials: "creds-file, nkey-file, token-file, or user and password-file",
			Params: slices.Concat([]sinks.Param{
				{Name: "mode", Type: sinks.Choice, Choices: []string{"stream", "kv"}, Default: "stream", Meaning: "whether it is a stream, which holds what happened, or a bucket, which holds what is now"},
				{Name: "prefix", Default: DefaultPrefix, Meaning: "what the subjects of a stream begin with"},
				{Name: "creds-file", Type: sinks.File, Meaning: "credentials (.creds) with a user's JWT and seed; read again for each connection"},
				{Name: "nkey-file", Type: sinks.File, Meaning: "file that holds the seed of a user's nkey; read again for each connection"},
				{Name: "token-file", Type: sinks.File, Meaning: "file that holds a token; read again for each connection"},
				{Name: "user", Meaning: "name to log in with; with `password-file`"},
				{Name: "password-file", Type: sinks.File, Meaning: "file that holds the password of `user`; read again for each connection"},
				{Name: "tls", Type: sinks.Bool, Default: "true", Meaning: "whether connections must be encrypted and servers verified"},
			}, credentials.Params(), []sinks.Param{
				{Name: "create", Type: sinks.Bool, Default: "false", Meaning: "make the stream or bucket if it is missing, on files"},
				{Name: "replicas", Type: sinks.Integer, Min: 1, Max: 5, Default: "3", Meaning: "replicas of what is made"},
				{Name: "max-age", Type: sinks.Duration, Default: "0s", Meaning: "for how long a stream that is made keeps messages; 0s: for ever"},
				{Name: "batch", Type: sinks.Integer, Default: "1000", Unit: "changes", Min: 1, Max: 10_000, Meaning: "most changes in one write"},
				{Name: "timeout", Type: sinks.Duration, Default: "30s", Min: 1e9, Max: 600e9, Meaning: "how long a write may take"},
			}),
		},
		Parse: parse,
	}
}

func parse(v *sinks.Value) (*sinks.Spec, error) {
	o := Options{
		Servers: v.Hosts, Stream: strings.TrimPrefix(v.Path, "/"), Prefix: v.Str("prefix"),
		MaxBatch: int(v.Int("batch")), Timeout: v.Duration("timeout"),
	}
	files, tlsErr := credentials.TLSOf(v)
	login, loginErr := loginOf(v)
	_, err := o.withDefaults()
	errs := []error{err, tlsErr, loginErr}
	if o.Login = login; v.Bool("tls") {
		o.TLS = func(host string) (*tls.Config, error) { return files.For(host).Config() }
	} else if !files.IsZero() {
		errs = append(errs, errors.New("ca, cert, key and server-name are of no use with tls=false; leave out one or the other"))
	}
	if v.Bool("create") {
		o.Create = &Create{Replicas: int(v.Int("replicas")), MaxAge: v.Duration("max-age")}
	} else if v.Given("replicas") || v.Given("max-age") {
		errs = append(errs, errors.New("replicas and max-age are for what is made; give create=true, or leave them out"))
	}
	kv := v.Str("mode") == "kv"
	if kv && (v.Given("prefix") || v.Given("max-age")) {
		errs = append(errs, errors.New("prefix and max-age are for mode=stream; leave them out"))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	identity := "nats://" + strings.Join(v.Hosts, ",") + v.Path
	if kv {
		identity += "?mode=kv"
	} else if v.Given("prefix") {
		identity += "?prefix=" + o.Prefix
	}
	return &sinks.Spec{
		Identity: identity,
		MaxBatch: o.MaxBatch,
		Open: func(_ context.Context, env sinks.Env) (pipeline.Sink, error) {
			o := o
			o.Registerer = env.Registerer
			o.Trial = env.Trial
			if kv {
				return sinkOf(NewKV(o))
			}
			return sinkOf(New(o))
		},
	}, nil
}

// sinkOf returns no sink that is a nil pointer.
func sinkOf[S interface {
	pipeline.Sink
	io.Closer
}](s S, err error) (pipeline.Sink, error) {
	if err != nil {
		return nil, err
	}
	return s, nil
}

// maxCreds bounds a file of credentials, in bytes. A JWT has some thousands.
const maxCreds = 64 << 10

// loginOf returns what reads the files that a connection proves itself with.
func loginOf(v *sinks.Value) (func() ([]nats.Option, []string, error), error) {
	creds, nkey, token, user, password := v.Str("creds-file"), v.Str("nkey-file"), v.Str("token-file"), v.Str("user"), v.Str("password-file")
	given := 0
	for _, file := range []string{creds, nkey, token, user + password} {
		if file != "" {
			given++
		}
	}
	switch {
	case given > 1:
		return nil, errors.New("creds-file, nkey-file, token-file, and user with password-file exclude each other; give one of them")
	case (user == "") != (password == ""):
		return nil, errors.New("user and password-file go together; give both or none")
	case creds != "":
		return func() ([]nats.Option, []string, error) { return credsOf(creds) }, nil
	case nkey != "":
		return func() ([]nats.Option, []string, error) { return nkeyOf(nkey) }, nil
	case token != "":
		return func() ([]nats.Option, []string, error) {
			text, err := read("token-file", token)
			return []nats.Option{nats.Token(text)}, []string{text}, err
		}, nil
	case user != "":
		return func() ([]nats.Option, []string, error) {
			text, err := read("password-file", password)
			return []nats.Option{nats.UserInfo(user, text)}, []string{text}, err
		}, nil
	}
	return nil, nil
}

// read returns what the file of a parameter holds.
func read(name, path string) (string, error) {
	text, err := credentials.Read(path)
	if err != nil {
		return "", fmt.Errorf("%s: %w", name, err)
	}
	return text, nil
}

// jwtSyntax is that of a signed JWT: three parts in base64url. Nothing else is sent as one.
var jwtSyntax = regexp.MustCompile(`^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$`)

// credsOf returns what logs in with the JWT and the seed in a file. The seed itself is
// never sent.
func credsOf(path string) ([]nats.Option, []string, error) {
	text, err := smallfile.Read(path, maxCreds)
	if err != nil {
		return nil, nil, fmt.Errorf("creds-file: %w", err)
	}
	pair, err := nkeys.ParseDecoratedUserNKey(text)
	if err != nil {
		return nil, nil, fmt.Errorf("creds-file: read %s: it has no seed of a user; have it written anew (nsc generate creds)", path)
	}
	seed, err := pair.Seed()
	if err != nil {
		return nil, nil, fmt.Errorf("creds-file: read %s: %w", path, err)
	}
	// Of a file that it does not understand the parser returns everything, with the seed.
	token, err := nkeys.ParseDecoratedJWT(text)
	token = strings.TrimSpace(token)
	if err != nil || !jwtSyntax.MatchString(token) || strings.Contains(token, string(seed)) {
		return nil, nil, fmt.Errorf("creds-file: read %s: it has no JWT of a user where one belongs; have it written anew (nsc generate creds)", path)
	}
	return []nats.Option{nats.UserJWT(func() (string, error) { return token, nil }, pair.Sign)}, []string{token, string(seed)}, nil
}

// nkeyOf returns what signs with the seed in a file.
func nkeyOf(path string) ([]nats.Option, []string, error) {
	seed, err := credentials.Read(path)
	if err != nil {
		return nil, nil, err
	}
	pair, err := nkeys.FromSeed([]byte(seed))
	if err != nil {
		return nil, nil, fmt.Errorf("nkey-file: read %s: it is no seed of an nkey, which begins with SU", path)
	}
	public, err := pair.PublicKey()
	if err != nil {
		return nil, nil, fmt.Errorf("nkey-file: read %s: it is no seed of a user", path)
	}
	return []nats.Option{nats.Nkey(public, pair.Sign)}, []string{seed}, nil
}
