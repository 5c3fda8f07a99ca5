# A script with Ruby's own net/http. What `loopdesk env` prints defines base and me.

require "digest"

eval(File.read(ENV["SNIPPET"]), TOPLEVEL_BINDING)
base, me = %i[base me].map { |name| TOPLEVEL_BINDING.local_variable_get(name) }

TOKEN = ENV.fetch("TOKEN")
SUBJECT = ENV["SUBJECT"]

def ask(request, uri)
  if ENV["CREDENTIAL"] == "bearer"
    request["Authorization"] = "Bearer #{TOKEN}"
  else
    request.basic_auth("me@example.com/token", TOKEN)
  end
  Net::HTTP.start(uri.host, uri.port, use_ssl: uri.scheme == "https") { |http| http.request(request) }
end

def good(answer)
  answer.is_a?(Net::HTTPSuccess) ? answer.body : raise("#{answer.code} #{answer.body}")
end

def get(url)
  JSON.parse(good(ask(Net::HTTP::Get.new(URI(url)), URI(url))))
end

def post(url, body, type = "application/json")
  request = Net::HTTP::Post.new(URI(url), "Content-Type" => type)
  request.body = body.is_a?(String) ? body : JSON.generate(body)
  JSON.parse(good(ask(request, URI(url))))
end

# net/http follows no redirects; scripts that download do it themselves, without the credential.
def fetched(url)
  answer = ask(Net::HTTP::Get.new(URI(url)), URI(url))
  answer.is_a?(Net::HTTPRedirection) ? good(Net::HTTP.get_response(URI(answer["Location"]))) : good(answer)
end

def digest(url)
  { sha256: Digest::SHA256.hexdigest(fetched(url)) }
end

def next_link(page)
  page["links"]["next"] if page["meta"]["has_more"]
end

def pages(url, key = "tickets")
  ids = []
  while url
    page = get(url)
    ids += page[key].map { |record| record["id"] }
    url = yield page
  end
  { ids: ids }
end

def ticket(text)
  { subject: SUBJECT, comment: { body: text } }
end

content_url = nil
steps = {
  "me" => -> { { id: me["user"]["id"] } },
  "offset" => -> { pages("#{base}/api/v2/tickets.json") { |page| page["next_page"] } },
  "cursor" => lambda {
    pages("#{base}/api/v2/tickets.json?page%5Bsize%5D=100") { |page| next_link(page) }
  },
  "query" => lambda {
    query = "query=*&filter%5Btype%5D=ticket&page%5Bsize%5D=100"
    pages("#{base}/api/v2/search/export.json?#{query}", "results") { |page| next_link(page) }
  },
  # URI() rejects such an address; net/http accepts it.
  "search" => lambda {
    request = Net::HTTP::Get.new("/api/v2/search.json?query=created>2025-01-01")
    { ids: JSON.parse(good(ask(request, URI(base))))["results"].map { |one| one["id"] } }
  },
  "create" => lambda {
    { id: post("#{base}/api/v2/tickets.json", { ticket: ticket("Unmodified") })["ticket"]["id"] }
  },
  "upload" => lambda {
    file = File.binread(ENV["FILE"])
    upload = post("#{base}/api/v2/uploads.json?filename=image.png", file, "image/png")["upload"]
    content_url = upload["attachment"]["content_url"]
    { token: upload["token"] }
  },
  "download" => -> { digest(content_url) },
  "article" => lambda {
    article = get("#{base}/api/v2/help_center/articles.json")["articles"][0]["id"]
    files = get("#{base}/api/v2/help_center/articles/#{article}/attachments.json")
    digest(files["article_attachments"][0]["content_url"])
  },
  "recording" => lambda {
    comments = get("#{base}/api/v2/tickets/4/comments.json")["comments"]
    digest(comments.find { |comment| comment["type"] == "VoiceComment" }["data"]["recording_url"])
  },
  "export" => lambda {
    pages("#{base}/api/v2/incremental/tickets/cursor.json?start_time=0&per_page=100") do |page|
      page["after_url"] unless page["end_of_stream"]
    end
  },
  "job" => lambda {
    job = post("#{base}/api/v2/tickets/create_many.json", { tickets: [ticket("1"), ticket("2")] })["job_status"]
    job = get(job["url"])["job_status"] until job["status"] == "completed"
    { results: job["results"].size }
  }
}

$stdout.sync = true
puts JSON.generate(version: RUBY_VERSION)
while (line = $stdin.gets)
  begin
    step = steps[line.strip]
    puts JSON.generate(step ? { done: step.call } : { cannot: true })
  rescue StandardError => error
    warn error.full_message
    puts JSON.generate(failed: error.to_s)
  end
end
