package s3

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/feature/ec2/imds"
	"github.com/aws/smithy-go/logging"
)

// session is who we are and how we reach servers: credentials, region, connections.
type session struct {
	config    aws.Config
	transport *http.Transport
	anonymous bool // nobody has said who we are
}

// Times after which a server that says nothing is given up; a request is then tried again.
const (
	dialTimeout   = 5 * time.Second
	answerTimeout = 30 * time.Second
	roleTimeout   = 10 * time.Second // of asking who we are
)

// openSession finds credentials as the tools of AWS do. region, where given, is where the bucket has been found.
func openSession(ctx context.Context, o *Options, region string) (*session, error) {
	options := []func(*config.LoadOptions) error{config.WithDefaultRegion("us-east-1"), config.WithLogConfigurationWarnings(false),
		config.WithLogger(logging.LoggerFunc(func(_ logging.Classification, format string, v ...any) {
			o.Logger.Debug(fmt.Sprintf(format, v...))
		}))}
	if region == "" {
		region = o.Region
	}
	if region != "" {
		options = append(options, config.WithRegion(region))
	}
	if o.Endpoint != "" {
		// The role of a machine at AWS is nothing that another server knows, or should be shown.
		options = append(options, config.WithEC2IMDSClientEnableState(imds.ClientDisabled))
	}
	ctx, cancel := context.WithTimeout(ctx, roleTimeout)
	defer cancel()
	c, err := config.LoadDefaultConfig(ctx, options...)
	if err != nil {
		return nil, fmt.Errorf("read the environment of AWS: %w: %w", errIdentity, err)
	}
	s := &session{config: c}
	s.transport = transportOf(c.HTTPClient)
	s.config.HTTPClient = &http.Client{Transport: s.transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	if _, err := c.Credentials.Retrieve(ctx); err != nil {
		if named := namedIdentity(); named != "" {
			return nil, fmt.Errorf("find credentials by %s: %w: %w", named, errIdentity, err)
		}
		s.config.Credentials, s.anonymous = aws.AnonymousCredentials{}, true
	}
	return s, nil
}

// transportOf has connections of its own, which trust what the environment says (AWS_CA_BUNDLE).
func transportOf(found config.HTTPClient) *http.Transport {
	made, ok := found.(*awshttp.BuildableClient)
	if !ok {
		made = awshttp.NewBuildableClient()
	}
	t := made.GetTransport()
	t.ResponseHeaderTimeout = answerTimeout
	t.MaxIdleConnsPerHost = lookWidth + 2
	return t
}

// close lets idle connections go.
func (s *session) close() { s.transport.CloseIdleConnections() }

// namedIdentity is the variable of the environment that says who we are, where there is one: then nothing else will
// do, and least of all nobody.
func namedIdentity() string {
	for _, name := range []string{"AWS_ACCESS_KEY_ID", "AWS_PROFILE", "AWS_WEB_IDENTITY_TOKEN_FILE",
		"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI"} {
		if os.Getenv(name) != "" {
			return name
		}
	}
	return ""
}
