package main

import (
	"time"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/cdc/kafka"
	"github.com/freshet/freshet/internal/broker"
	kafkasink "github.com/freshet/freshet/sinks/kafka"
	"github.com/freshet/freshet/stream"
	"github.com/freshet/freshet/stream/flowfile"
)

// brokersConfig says how a Kafka cluster is reached.
type brokersConfig struct {
	Brokers []string    `yaml:"brokers,single" required:"true" doc:"Addresses of some brokers, host:port; the others are learnt from them."`
	TLS     *tlsConfig  `yaml:"tls" doc:"Encrypt connections: true, or a mapping."`
	SASL    *saslConfig `yaml:"sasl" doc:"Authenticate."`
}

type tlsConfig struct {
	On         bool   `yaml:"on,scalar" default:"true" doc:"Whether connections are encrypted."`
	CA         string `yaml:"ca" doc:"File of the certificates to trust; those of the system where absent."`
	Cert       string `yaml:"cert" doc:"File of our own certificate."`
	Key        string `yaml:"key" doc:"File of its key."`
	ServerName string `yaml:"server_name" doc:"The name in the brokers' certificates, where it is not their address."`
}

type saslConfig struct {
	Mechanism string `yaml:"mechanism" required:"true" enum:"PLAIN,SCRAM-SHA-256,SCRAM-SHA-512,OAUTHBEARER" doc:"How we authenticate."`
	User      string `yaml:"user" doc:"The user of PLAIN and SCRAM."`
	Password  string `yaml:"password" secret:"true" doc:"The user's password."`
	Token     string `yaml:"token" secret:"true" doc:"The token of OAUTHBEARER."`
	TokenFile string `yaml:"token_file" doc:"The file of that token, read for each connection."`
}

func (c *brokersConfig) access(env *flowfile.Env) broker.Access {
	a := broker.Access{Brokers: c.Brokers}
	path := func(p string) string {
		if p == "" {
			return ""
		}
		return env.Path(p)
	}
	if t := c.TLS; t != nil && t.On {
		a.TLS = &broker.TLS{CA: path(t.CA), Cert: path(t.Cert), Key: path(t.Key), ServerName: t.ServerName}
	}
	if s := c.SASL; s != nil {
		a.SASL = &broker.SASL{Mechanism: s.Mechanism, User: s.User, Password: s.Password, Token: s.Token, TokenFile: path(s.TokenFile)}
	}
	return a
}

type kafkaConfig struct {
	brokersConfig `yaml:",inline"`
	Topic         string        `yaml:"topic" doc:"The topic to read."`
	Topics        string        `yaml:"topics" doc:"In place of topic: a regular expression; every topic whose whole name matches is read into the one collection."`
	Format        string        `yaml:"format" default:"json" enum:"json,debezium,avro,protobuf,string,cloudevents" doc:"What a record says."`
	Key           []string      `yaml:"key,single" doc:"Fields of the key, which are fields of the record's key and of the row; where absent the key is a text, the column key."`
	Schema        []columnType  `yaml:"schema" doc:"The fields that are read, with their types; others are passed over. With a registry those of the newest schema where absent."`
	Registry      *booksConfig  `yaml:"registry" doc:"The schema registry that tells how records are written: its address, or a mapping."`
	Start         string        `yaml:"start" default:"earliest" enum:"earliest,latest" doc:"Where the first run begins; later ones go on from the state."`
	OnGap         string        `yaml:"on_gap" default:"fail" enum:"fail,reread" doc:"When records were lost or the topic made again: stop, or read it again and remove what is not there."`
	TimeUnit      time.Duration `yaml:"time_unit" default:"1us" min:"1ns" max:"1ms" doc:"What numbers count that stand for timestamps in Debezium messages without a schema: 1ns, 1us or 1ms."`
	Unwrapped     bool          `yaml:"unwrapped" doc:"Debezium messages have lost their envelope on the way (ExtractNewRecordState): the value is the row, and one with __deleted is its end."`
	Group         string        `yaml:"group" doc:"The consumer group that shows how far the flow is; freshet_<flow> where absent. Nothing is read from it."`
}

type booksConfig struct {
	URL      string `yaml:"url,scalar" required:"true" doc:"Address of a registry that speaks Confluent's protocol, such as http://localhost:8081."`
	User     string `yaml:"user" doc:"The user of the registry."`
	Password string `yaml:"password" secret:"true" doc:"The user's password."`
}

// columnType is a field of a schema.
type columnType struct {
	Name string   `yaml:",key"`
	Type cdc.Type `yaml:",value"`
}

// kafkaSource is the kind of sources that read topics. The first one of a flow mirrors its offsets in the
// group freshet_<flow>, others add their name.
func kafkaSource() flowfile.SourceKind {
	built := 0
	return flowfile.SourceKind{Doc: "A keyed Kafka topic: the newest record of a key is its row, a null value the row's end.",
		New: func() any { return new(kafkaConfig) },
		Build: func(config any, env *flowfile.Env) (stream.Source, error) {
			c := config.(*kafkaConfig)
			group := c.Group
			if group == "" {
				if group = "freshet_" + env.Flow; built > 0 {
					group += "_" + env.Node
				}
			}
			built++
			o := kafka.Options{Access: c.access(env), Topic: c.Topic, Topics: c.Topics, Format: c.Format, Key: c.Key,
				Start: c.Start, OnGap: c.OnGap, TimeUnit: c.TimeUnit, Unwrapped: c.Unwrapped, Group: group, Logger: env.Logger}
			for _, f := range c.Schema {
				o.Schema = append(o.Schema, cdc.Column(f))
			}
			if r := c.Registry; r != nil {
				o.Registry = &kafka.Registry{URL: r.URL, User: r.User, Password: r.Password}
			}
			s, err := kafka.New(o)
			if err != nil {
				return nil, problemsOf(err)
			}
			return s, nil
		}}
}

type kafkaSinkConfig struct {
	brokersConfig `yaml:",inline"`
	Topic         string        `yaml:"topic" default:"{collection}" doc:"The topic to write, made where it is missing; {collection} in it stands for the collection's name."`
	Format        string        `yaml:"format" default:"json" enum:"json" doc:"What a record's value is."`
	Deletes       string        `yaml:"deletes" default:"tombstone" enum:"tombstone,envelope" doc:"A row that goes is a null value, or a value that says so; then upserts say so too."`
	Transactional bool          `yaml:"transactional" default:"true" doc:"Write in transactions, each version once. Without them it is at least once: readers see parts of epochs, and some versions twice."`
	Timeout       time.Duration `yaml:"timeout" default:"1m" min:"5s" max:"15m" doc:"How long a transaction may stay open: readers wait as long for one that a dead process has left."`
}

func newKafkaSink(config any, env *flowfile.Env) (stream.Sink, error) {
	c := config.(*kafkaSinkConfig)
	s, err := kafkasink.New(kafkasink.Options{Access: c.access(env), Topic: c.Topic, Envelopes: c.Deletes == "envelope", AtLeastOnce: !c.Transactional, Timeout: c.Timeout, Logger: env.Logger})
	if err != nil {
		return nil, problemsOf(err)
	}
	return s, nil
}
