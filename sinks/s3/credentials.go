package s3

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"

	"github.com/minio/minio-go/v7/pkg/credentials"

	files "github.com/fairlead-dev/fairlead/internal/credentials"
	"github.com/fairlead-dev/fairlead/internal/smallfile"
)

// Keys prove who writes.
type Keys struct {
	AccessKeyID, SecretAccessKey string
	// SessionToken belongs to keys that expire. Empty: they do not.
	SessionToken string
}

// Source returns the keys of now. The client is for a source that has to ask for them.
// It is called by one goroutine at a time, and returns soon once ctx has ended.
type Source func(ctx context.Context, client *http.Client) (Keys, error)

// FromEnvironment returns the keys that AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and
// AWS_SESSION_TOKEN hold.
func FromEnvironment() Source {
	return func(context.Context, *http.Client) (Keys, error) {
		k := Keys{os.Getenv("AWS_ACCESS_KEY_ID"), os.Getenv("AWS_SECRET_ACCESS_KEY"), os.Getenv("AWS_SESSION_TOKEN")}
		if k.AccessKeyID == "" || k.SecretAccessKey == "" {
			return Keys{}, errors.New("AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not both set in the environment")
		}
		return k, nil
	}
}

// maxFile bounds a file of keys, in bytes.
const maxFile = 64 << 10

// FromFile returns the keys of a profile in a file as the AWS command line has it, read
// for each PUT. An empty profile is "default". Of the file only the two keys and the
// session token count: it cannot have a program run.
func FromFile(path, profile string) Source {
	if profile == "" {
		profile = "default"
	}
	return func(context.Context, *http.Client) (Keys, error) {
		text, err := smallfile.Read(path, maxFile)
		if err != nil {
			return Keys{}, err
		}
		k := profileIn(string(text), profile)
		if k.AccessKeyID == "" || k.SecretAccessKey == "" {
			return Keys{}, fmt.Errorf("read %s: profile [%s] has not both aws_access_key_id and aws_secret_access_key", path, profile)
		}
		return k, nil
	}
}

// profileIn returns what a text says of a profile.
func profileIn(text, profile string) (k Keys) {
	inside := false
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if name, ok := strings.CutPrefix(line, "["); ok {
			name, _, _ = strings.Cut(name, "]")
			inside = strings.TrimSpace(name) == profile
			continue
		}
		name, value, ok := strings.Cut(line, "=")
		if !inside || !ok {
			continue
		}
		value = strings.TrimSpace(value)
		switch strings.TrimSpace(name) {
		case "aws_access_key_id":
			k.AccessKeyID = value
		case "aws_secret_access_key":
			k.SecretAccessKey = value
		case "aws_session_token":
			k.SessionToken = value
		}
	}
	return k
}

// FromWebIdentity returns keys that a service of AWS's STS gives for a token, such as that of
// a service account (IRSA). The file is read again whenever keys have expired. Empty texts
// are those of AWS_WEB_IDENTITY_TOKEN_FILE, AWS_ROLE_ARN, and the region's STS.
func FromWebIdentity(tokenFile, role, sts, region string) Source {
	own := &credentials.STSWebIdentity{RoleARN: role, STSEndpoint: sts}
	own.GetWebIDTokenExpiry = func() (*credentials.WebIdentityToken, error) {
		path := orEnv(tokenFile, "AWS_WEB_IDENTITY_TOKEN_FILE")
		if path == "" {
			return nil, errors.New("neither token-file nor AWS_WEB_IDENTITY_TOKEN_FILE names the file of a token")
		}
		token, err := files.Read(path)
		if err != nil {
			return nil, err
		}
		return &credentials.WebIdentityToken{Token: token}, nil
	}
	var last credentials.Value
	return func(ctx context.Context, client *http.Client) (Keys, error) {
		if last.AccessKeyID == "" || own.IsExpired() {
			own.RoleARN = orEnv(role, "AWS_ROLE_ARN")
			if own.STSEndpoint == "" {
				own.STSEndpoint = endpointOfSTS(region)
			}
			v, err := own.RetrieveWithCredContext(&credentials.CredContext{Client: client, Context: ctx})
			if err != nil {
				return Keys{}, fmt.Errorf("ask %s for keys: %w", own.STSEndpoint, err)
			}
			last = v
		}
		return Keys{last.AccessKeyID, last.SecretAccessKey, last.SessionToken}, nil
	}
}

func orEnv(value, name string) string {
	if value != "" {
		return value
	}
	return os.Getenv(name)
}

func endpointOfSTS(region string) string {
	switch {
	case region == "":
		return "https://sts.amazonaws.com"
	case strings.HasPrefix(region, "cn-"):
		return "https://sts." + region + ".amazonaws.com.cn"
	}
	return "https://sts." + region + ".amazonaws.com"
}
