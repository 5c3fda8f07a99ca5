#!/usr/bin/perl
# A script with Perl's LWP. What `loopdesk env` prints defines $base, $agent and $me.

use strict;
use warnings;
use Digest::SHA qw(sha256_hex);
use JSON::PP;
use MIME::Base64;

local $/;
open my $file, '<', $ENV{SNIPPET} or die $!;
my $code = <$file>;
my ($base, $agent, $me) = @{ eval "$code; [\$base, \$agent, \$me]" or die $@ };
$/ = "\n";

my $token = $ENV{TOKEN};
my $subject = $ENV{SUBJECT};
my $header = $ENV{CREDENTIAL} eq 'bearer'
    ? "Bearer $token"
    : 'Basic ' . encode_base64("me\@example.com/token:$token", '');
my $content_url;

sub good {
    my ($answer) = @_;
    die $answer->status_line . ' ' . $answer->decoded_content unless $answer->is_success;
    return $answer;
}
sub get { return decode_json(good($agent->get($_[0], Authorization => $header))->content) }
sub post {
    my ($url, $type, $body) = @_;
    my @headers = (Authorization => $header, 'Content-Type' => $type);
    return decode_json(good($agent->post($url, @headers, Content => $body))->content);
}
# LWP would send the credential to the host of the redirect as well, which refuses it.
sub fetched {
    my ($url) = @_;
    my $request = HTTP::Request->new(GET => $url, [ Authorization => $header ]);
    my $answer = $agent->simple_request($request);
    $answer = $agent->get($answer->header('Location')) if $answer->is_redirect;
    return { sha256 => sha256_hex(good($answer)->content) };
}
sub next_link { return $_[0]{meta}{has_more} ? $_[0]{links}{next} : undef }
sub pages {
    my ($url, $link, $key) = (@_, 'tickets');
    my @ids;
    while ($url) {
        my $page = get($url);
        push @ids, map { $_->{id} } @{ $page->{$key} };
        $url = $link->($page);
    }
    return { ids => \@ids };
}
sub ticket { return { subject => $subject, comment => { body => $_[0] } } }

my %steps = (
    me => sub { return { id => $me->{user}{id} } },
    offset => sub { return pages("$base/api/v2/tickets.json", sub { $_[0]{next_page} }) },
    cursor => sub {
        return pages("$base/api/v2/tickets.json?page[size]=100", \&next_link);
    },
    query => sub {
        my $query = 'query=*&filter[type]=ticket&page[size]=100';
        return pages("$base/api/v2/search/export.json?$query", \&next_link, 'results');
    },
    create => sub {
        my $body = encode_json({ ticket => ticket('Unmodified') });
        return { id => post("$base/api/v2/tickets.json", 'application/json', $body)->{ticket}{id} };
    },
    upload => sub {
        open my $image, '<:raw', $ENV{FILE} or die $!;
        local $/;
        my $answer = post("$base/api/v2/uploads.json?filename=image.png", 'image/png', <$image>);
        $content_url = $answer->{upload}{attachment}{content_url};
        return { token => $answer->{upload}{token} };
    },
    download => sub { return fetched($content_url) },
    article => sub {
        my $article = get("$base/api/v2/help_center/articles.json")->{articles}[0]{id};
        my $files = get("$base/api/v2/help_center/articles/$article/attachments.json");
        return fetched($files->{article_attachments}[0]{content_url});
    },
    recording => sub {
        my $comments = get("$base/api/v2/tickets/4/comments.json")->{comments};
        my ($call) = grep { $_->{type} eq 'VoiceComment' } @$comments;
        return fetched($call->{data}{recording_url});
    },
    export => sub {
        my $url = "$base/api/v2/incremental/tickets/cursor.json?start_time=0&per_page=100";
        return pages($url, sub { $_[0]{end_of_stream} ? undef : $_[0]{after_url} });
    },
    job => sub {
        my $body = encode_json({ tickets => [ ticket('one'), ticket('two') ] });
        my $url = "$base/api/v2/tickets/create_many.json";
        my $job = post($url, 'application/json', $body)->{job_status};
        $job = get($job->{url})->{job_status} while $job->{status} ne 'completed';
        return { results => scalar @{ $job->{results} } };
    },
);

$| = 1;
print encode_json({ version => "$LWP::VERSION" }), "\n";
while (my $step = <STDIN>) {
    chomp $step;
    if (!$steps{$step}) {
        print encode_json({ cannot => JSON::PP::true }), "\n";
        next;
    }
    my $done = eval { $steps{$step}->() };
    print encode_json($done ? { done => $done } : { failed => "$@" }), "\n";
}
