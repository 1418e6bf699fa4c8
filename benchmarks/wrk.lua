-- POSTs one fixed request and checks every answer.
-- Arguments: file with the body, file with the headers (one "Name: value" a line), mark to find in each answer.
local threads = {}
local mark = nil
local request_text = nil

wrong = 0
first_wrong = ""

local function read(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read("*a")
  file:close()
  return text
end

function setup(thread)
  table.insert(threads, thread)
end

function init(args)
  wrk.method = "POST"
  wrk.body = read(args[1])
  for name, value in read(args[2]):gmatch("([^:\n]+): ([^\n]*)") do
    wrk.headers[name] = value
  end
  mark = args[3]
  request_text = wrk.format()
end

function request()
  return request_text
end

function response(status, headers, body)
  if status ~= 200 or not body:find(mark, 1, true) or not body:find('"total_tokens"', 1, true) then
    wrong = wrong + 1
    if first_wrong == "" then
      first_wrong = status .. " " .. body:sub(1, 300)
    end
  end
end

local function quoted(text)
  return '"' .. text:gsub('[%c"\\]', " ") .. '"'
end

function done(summary, latency, requests)
  local wrong_answers, example = 0, ""
  for _, thread in ipairs(threads) do
    wrong_answers = wrong_answers + thread:get("wrong")
    if example == "" then
      example = thread:get("first_wrong")
    end
  end
  io.write(string.format(
    'RESULT {"requests":%d,"duration_us":%d,"connect":%d,"read":%d,"write":%d,"status":%d,"timeout":%d,'
      .. '"p50_us":%d,"p99_us":%d,"wrong":%d,"first_wrong":%s}\n',
    summary.requests, summary.duration, summary.errors.connect, summary.errors.read,
    summary.errors.write, summary.errors.status, summary.errors.timeout,
    latency:percentile(50), latency:percentile(99), wrong_answers, quoted(example)))
end
