"""DynamoDB: reading, and tables."""

from .behaviours import behaviour, equal, expect, refuses
from .cloud import until

API = "amazondynamodb/latest/APIReference/API_"
GUIDE = "amazondynamodb/latest/developerguide/"
TABLE = "deployments"


def table(aws, name=TABLE, sort=None, wait=True):
    keys = [("service", "HASH")] + ([(sort, "RANGE")] if sort else [])
    made = aws.dynamodb.create_table(
        TableName=name,
        KeySchema=[{"AttributeName": key, "KeyType": kind} for key, kind in keys],
        AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key, _ in keys],
        BillingMode="PAY_PER_REQUEST",
    )
    if wait:
        until(lambda: status(aws, name) == "ACTIVE", "a table that never becomes ACTIVE")
    return made["TableDescription"]["TableStatus"]


def status(aws, name=TABLE):
    return aws.dynamodb.describe_table(TableName=name)["Table"]["TableStatus"]


def text(value):
    return {"S": value}


def put(aws, service, **more):
    aws.dynamodb.put_item(TableName=TABLE, Item={"service": text(service), **more})


def get(aws, service, **more):
    return aws.dynamodb.get_item(TableName=TABLE, Key={"service": text(service)}, **more)


def filled(aws, count):
    table(aws)
    for number in range(count):
        put(aws, f"web-{number:03}", number={"N": str(number)})


def revisions(aws, *names):
    """A table with a sort key, and revisions of one service in it."""
    table(aws, sort="revision")
    for name in names:
        put(aws, "web", revision=text(name))
    put(aws, "other", revision=text("v1"))


def query(aws, **more):
    values = {":service": text("web")}
    request = {"KeyConditionExpression": "service = :service", "ExpressionAttributeValues": values}
    return aws.dynamodb.query(TableName=TABLE, **request, **more)


def names(items, member="revision"):
    return [item[member]["S"] for item in items]


@behaviour("GetItem answers an item that is not there with 200 and without Item", API + "GetItem.html")
def _(aws):
    table(aws)
    expect("Item" not in get(aws, "never"), "an Item")


@behaviour("A consistent GetItem answers an item that is not there without Item, too", API + "GetItem.html")
def _(aws):
    filled(aws, 1)
    expect("Item" not in get(aws, "never", ConsistentRead=True), "an Item")
    expect("Item" in get(aws, "web-000", ConsistentRead=True), "not the Item that was just put")


@behaviour("GetItem answers ResourceNotFoundException for a table that is not there", API + "GetItem.html")
def _(aws):
    refuses("ResourceNotFoundException", get, status=400, aws=aws, service="web")


@behaviour("GetItem refuses a key that is not the table's with ValidationException", API + "GetItem.html")
def _(aws):
    table(aws)
    request = {"TableName": TABLE, "Key": {"name": text("web")}}
    refuses("ValidationException", aws.dynamodb.get_item, status=400, **request)


@behaviour("GetItem refuses a key of another type with ValidationException", API + "GetItem.html")
def _(aws):
    table(aws)
    refuses("ValidationException", aws.dynamodb.get_item, TableName=TABLE, Key={"service": {"N": "1"}})


@behaviour("GetItem refuses half of a key with ValidationException", API + "GetItem.html")
def _(aws):
    revisions(aws, "v1")
    refuses("ValidationException", get, aws=aws, service="web")


@behaviour("GetItem returns the attributes of its projection only", API + "GetItem.html")
def _(aws):
    table(aws)
    put(aws, "web", revision=text("v1"), color=text("red"))
    item = get(aws, "web", ProjectionExpression="revision")["Item"]
    equal(item, {"revision": text("v1")}, "the item")


@behaviour("ConsumedCapacity comes only when it is asked for, and consistent reads cost twice", API + "GetItem.html")
def _(aws):
    filled(aws, 1)
    expect("ConsumedCapacity" not in get(aws, "web-000"), "tells it unasked")
    units = [
        get(aws, "web-000", ConsistentRead=consistent, ReturnConsumedCapacity="TOTAL")["ConsumedCapacity"][
            "CapacityUnits"
        ]
        for consistent in (False, True)
    ]
    equal(units, [0.5, 1.0], "the cost of both")


@behaviour("BatchGetItem takes 100 keys", API + "BatchGetItem.html")
def _(aws):
    filled(aws, 3)
    keys = [{"service": text(f"web-{number:03}")} for number in range(100)]
    answer = aws.dynamodb.batch_get_item(RequestItems={TABLE: {"Keys": keys}})
    equal((len(answer["Responses"][TABLE]), answer.get("UnprocessedKeys")), (3, {}), "items and UnprocessedKeys")


@behaviour("BatchGetItem refuses the 101st key with ValidationException", API + "BatchGetItem.html")
def _(aws):
    table(aws)
    keys = [{"service": text(f"web-{number}")} for number in range(101)]
    refuses("ValidationException", aws.dynamodb.batch_get_item, status=400, RequestItems={TABLE: {"Keys": keys}})


@behaviour("BatchGetItem refuses a key twice with ValidationException", API + "BatchGetItem.html")
def _(aws):
    table(aws)
    keys = [{"service": text("web")}] * 2
    refuses("ValidationException", aws.dynamodb.batch_get_item, RequestItems={TABLE: {"Keys": keys}})


@behaviour("BatchGetItem answers ResourceNotFoundException if one table is not there", API + "BatchGetItem.html")
def _(aws):
    filled(aws, 1)
    keys = {"Keys": [{"service": text("web-000")}]}
    refuses("ResourceNotFoundException", aws.dynamodb.batch_get_item, RequestItems={TABLE: keys, "never": keys})


@behaviour("BatchGetItem stops at 16 MB and returns the other keys as UnprocessedKeys", API + "BatchGetItem.html")
def _(aws):
    table(aws)
    for number in range(60):
        put(aws, f"web-{number}", blob=text("x" * 300_000))
    keys = [{"service": text(f"web-{number}")} for number in range(60)]
    answer = aws.dynamodb.batch_get_item(RequestItems={TABLE: {"Keys": keys}})
    left = answer.get("UnprocessedKeys", {}).get(TABLE, {}).get("Keys", [])
    expect(left, "everything at once")
    equal(len(answer["Responses"][TABLE]) + len(left), 60, "items and keys left, together,")


@behaviour("A Scan with a Limit ends there and names the last key it evaluated", API + "Scan.html")
def _(aws):
    filled(aws, 5)
    answer = aws.dynamodb.scan(TableName=TABLE, Limit=2)
    equal(answer["Count"], 2, "Count")
    equal(list(answer.get("LastEvaluatedKey", {})), ["service"], "the members of LastEvaluatedKey")


@behaviour("A Scan that goes on from LastEvaluatedKey sees every item exactly once", API + "Scan.html")
def _(aws):
    filled(aws, 5)
    seen, start = [], {}
    for _ in range(6):
        page = aws.dynamodb.scan(TableName=TABLE, Limit=2, **start)
        seen += names(page["Items"], "service")
        if "LastEvaluatedKey" not in page:
            break
        start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}
    equal(sorted(seen), [f"web-{number:03}" for number in range(5)], "the items")


@behaviour("A Scan counts its Limit before its filter", API + "Scan.html")
def _(aws):
    filled(aws, 5)
    values = {":none": {"N": "99"}}
    request = {"FilterExpression": "#n = :none", "ExpressionAttributeNames": {"#n": "number"}}
    answer = aws.dynamodb.scan(TableName=TABLE, Limit=2, ExpressionAttributeValues=values, **request)
    equal((answer["Count"], answer["ScannedCount"]), (0, 2), "Count and ScannedCount")
    expect("LastEvaluatedKey" in answer, "no LastEvaluatedKey")


@behaviour("A Scan page ends at 1 MB", API + "Scan.html")
def _(aws):
    table(aws)
    for number in range(5):
        put(aws, f"web-{number}", blob=text("x" * 300_000))
    answer = aws.dynamodb.scan(TableName=TABLE)
    expect("LastEvaluatedKey" in answer, f"all {answer['Count']} items, 1.5 MB, at once")
    expect(answer["Count"] < 5, "all items and a LastEvaluatedKey")


@behaviour("A Limit of 0 is refused with ValidationException", API + "Scan.html")
def _(aws):
    table(aws)
    refuses("ValidationException", aws.dynamodb.scan, TableName=TABLE, Limit=0)


@behaviour("Query returns the items of one partition, sorted by their sort key", API + "Query.html")
def _(aws):
    revisions(aws, "v3", "v1", "v2")
    equal(names(query(aws)["Items"]), ["v1", "v2", "v3"], "the order")


@behaviour("Query goes backwards with ScanIndexForward false", API + "Query.html")
def _(aws):
    revisions(aws, "v3", "v1", "v2")
    equal(names(query(aws, ScanIndexForward=False)["Items"]), ["v3", "v2", "v1"], "the order")


@behaviour("Query pages by Limit and LastEvaluatedKey", API + "Query.html")
def _(aws):
    revisions(aws, "v1", "v2", "v3")
    first = query(aws, Limit=2)
    equal(names(first["Items"]), ["v1", "v2"], "the first page")
    second = query(aws, Limit=2, ExclusiveStartKey=first["LastEvaluatedKey"])
    equal(names(second["Items"]), ["v3"], "the second page")


@behaviour("Query of a partition that is not there answers an empty list", API + "Query.html")
def _(aws):
    table(aws)
    equal(query(aws)["Items"], [], "the list")


@behaviour("Query without a condition on the partition key is refused with ValidationException", API + "Query.html")
def _(aws):
    revisions(aws, "v1")
    condition = {"KeyConditionExpression": "revision = :r", "ExpressionAttributeValues": {":r": text("v1")}}
    refuses("ValidationException", aws.dynamodb.query, TableName=TABLE, **condition)


@behaviour("Query narrows its partition by the beginning of the sort key", API + "Query.html")
def _(aws):
    revisions(aws, "v1.0", "v1.1", "v2.0")
    values = {":service": text("web"), ":major": text("v1.")}
    condition = "service = :service AND begins_with(revision, :major)"
    request = {"KeyConditionExpression": condition, "ExpressionAttributeValues": values}
    equal(names(aws.dynamodb.query(TableName=TABLE, **request)["Items"]), ["v1.0", "v1.1"], "the items")


@behaviour("Query refuses a filter on a key with ValidationException", GUIDE + "Query.FilterExpression.html")
def _(aws):
    revisions(aws, "v1")
    refuses("ValidationException", query, aws=aws, FilterExpression="attribute_exists(revision)")


@behaviour("CreateTable answers CREATING, and the table is ACTIVE later", API + "CreateTable.html")
def _(aws):
    equal(table(aws, wait=False), "CREATING", "the status at once")
    until(lambda: status(aws) == "ACTIVE", "never ACTIVE")


@behaviour("A table that is not ACTIVE takes no items", API + "CreateTable.html")
def _(aws):
    equal(table(aws, wait=False), "CREATING", "the status at once")
    refuses("ResourceNotFoundException", put, aws=aws, service="web")


@behaviour("CreateTable refuses a name that is taken with ResourceInUseException", API + "CreateTable.html")
def _(aws):
    table(aws)
    refuses("ResourceInUseException", table, status=400, aws=aws)


@behaviour(
    "CreateTable refuses a name of two letters with ValidationException", GUIDE + "HowItWorks.NamingRulesDataTypes.html"
)
def _(aws):
    refuses("ValidationException", table, aws=aws, name="ab")


@behaviour("CreateTable refuses a key that has no definition with ValidationException", API + "CreateTable.html")
def _(aws):
    request = {
        "TableName": TABLE,
        "KeySchema": [{"AttributeName": "service", "KeyType": "HASH"}],
        "AttributeDefinitions": [{"AttributeName": "other", "AttributeType": "S"}],
        "BillingMode": "PAY_PER_REQUEST",
    }
    refuses("ValidationException", aws.dynamodb.create_table, **request)


@behaviour("DescribeTable answers ResourceNotFoundException for a table that is not there", API + "DescribeTable.html")
def _(aws):
    refuses("ResourceNotFoundException", aws.dynamodb.describe_table, status=400, TableName="never")


@behaviour("DescribeTable does not count an item that was just put", API + "TableDescription.html")
def _(aws):
    filled(aws, 1)
    equal(aws.dynamodb.describe_table(TableName=TABLE)["Table"]["ItemCount"], 0, "ItemCount, six hours early,")


@behaviour("DeleteTable answers ResourceNotFoundException for a table that is not there", API + "DeleteTable.html")
def _(aws):
    refuses("ResourceNotFoundException", aws.dynamodb.delete_table, TableName="never")


@behaviour("A deleted table is gone after a while", API + "DeleteTable.html")
def _(aws):
    filled(aws, 1)
    equal(aws.dynamodb.delete_table(TableName=TABLE)["TableDescription"]["TableStatus"], "DELETING", "the status")
    until(lambda: TABLE not in aws.dynamodb.list_tables()["TableNames"], "never gone")


@behaviour("ListTables pages by Limit and ExclusiveStartTableName", API + "ListTables.html")
def _(aws):
    for name in ("aaa", "bbb", "ccc"):
        table(aws, name, wait=False)
    first = aws.dynamodb.list_tables(Limit=2)
    equal((first["TableNames"], first.get("LastEvaluatedTableName")), (["aaa", "bbb"], "bbb"), "the first page")
    second = aws.dynamodb.list_tables(Limit=2, ExclusiveStartTableName="bbb")
    equal((second["TableNames"], second.get("LastEvaluatedTableName")), (["ccc"], None), "the last page")


@behaviour("ListTables refuses a Limit of 101 with ValidationException", API + "ListTables.html")
def _(aws):
    refuses("ValidationException", aws.dynamodb.list_tables, Limit=101)


@behaviour("A table of one account is not there in another", API + "ListTables.html")
def _(aws):
    filled(aws, 1)
    expect(not aws.sibling.dynamodb.list_tables()["TableNames"], "lists it there")
    refuses("ResourceNotFoundException", get, aws=aws.sibling, service="web-000")
